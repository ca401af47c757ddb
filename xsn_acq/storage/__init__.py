"""Documents and frames in, files out."""
