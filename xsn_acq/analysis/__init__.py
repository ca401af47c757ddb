"""Arrays in, arrays out: retrieval, tomography, resolution."""
