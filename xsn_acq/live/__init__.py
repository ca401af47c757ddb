"""Documents to frames to results, while the run goes on."""
