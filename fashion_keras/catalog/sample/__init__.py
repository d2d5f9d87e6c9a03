"""Drawn sample catalogue: canvas, product shapes, generator."""
