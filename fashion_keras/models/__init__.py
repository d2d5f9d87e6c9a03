"""Backbones, heads, networks, predictions and their serialization."""
