"""Ophyd devices: each declares its PV suffixes."""
