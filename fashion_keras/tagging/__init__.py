"""Attributes of products from one encoding of each image: a gate of product types first, then linear heads."""
