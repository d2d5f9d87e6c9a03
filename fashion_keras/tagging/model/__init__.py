"""Tagger: labels, product-type gate, linear heads, calibration, provenance."""
