"""Drawn sample catalog: canvas, product shapes, generator."""
