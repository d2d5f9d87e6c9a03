"""Classifier training: one run, head search, cross-validation."""
