"""Shared helpers without domain knowledge: errors, atomic files, config fields, progress."""
