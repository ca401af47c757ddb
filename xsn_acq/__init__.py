"""Control, acquisition and live reconstruction for full-field X-ray nano-imaging, on Bluesky."""
