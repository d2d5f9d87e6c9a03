"""Frozen encoders: registry, compilation, OpenVINO runtime, feature cache."""
