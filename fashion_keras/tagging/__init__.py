"""Attribute tagging behind a product-type gate, with calibrated thresholds."""
