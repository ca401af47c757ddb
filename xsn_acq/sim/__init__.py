"""The simulated beamline: physics, and apart from it the IOC."""
