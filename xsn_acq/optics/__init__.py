"""Wave model and materials: pure functions of arrays."""
