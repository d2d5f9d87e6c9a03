"""Metrics, plots and reports of classifiers and encoders."""
