"""Figures that draw values they are given."""
