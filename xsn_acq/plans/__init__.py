"""Bluesky plans and the frame-angle ledger."""
