"""Metrics as pure NumPy functions."""
