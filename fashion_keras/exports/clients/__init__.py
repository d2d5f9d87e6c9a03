"""Sample clients that are copied into every export."""
