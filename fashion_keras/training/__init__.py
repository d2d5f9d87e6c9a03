"""Training of classifiers and encoders."""
