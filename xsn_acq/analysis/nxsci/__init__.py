"""Element maps from structured illumination: solvers, their weights and errors; arrays in, arrays out."""
