"""Pixels: from a file to an array, augmented and batched."""
