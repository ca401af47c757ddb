"""Documents and frames in, files out: journal, feed, catalogue, frame readers, NXtomo."""
