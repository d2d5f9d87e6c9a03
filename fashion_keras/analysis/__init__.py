"""Analyses of trained models and catalogues: robustness, Grad-CAM, label audit, projection, retrieval comparison."""
