"""What any request passes: security checks, form reading, bounded threads, metrics."""
