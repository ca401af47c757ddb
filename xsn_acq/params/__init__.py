"""What is acquired, as frozen values."""
