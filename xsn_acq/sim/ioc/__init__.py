"""The Channel Access face of the simulated beamline."""
