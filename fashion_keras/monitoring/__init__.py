"""Monitoring: drift of a catalog or its tags against a reference."""
