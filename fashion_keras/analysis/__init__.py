"""Analyses of trained models and catalogs: robustness, Grad-CAM, label audit, projection, retrieval comparison."""
