"""Fluorescence spectra: how many counts each element's lines have."""
