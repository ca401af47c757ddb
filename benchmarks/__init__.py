"""Benchmarks: each a ratio against a peer or a direct method in the same run."""
