"""Keras networks that keras.applications lacks, without heads."""
