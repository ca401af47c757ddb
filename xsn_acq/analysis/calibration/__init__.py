"""What calibration scans of the microscope measure."""
