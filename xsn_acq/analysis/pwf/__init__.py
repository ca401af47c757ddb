"""Speckle microtomography: single-shot phase and absorption by preconditioned Wirtinger flow (PWF)."""
