"""What every floor stands on: errors that name the remedy, files that are never half-written, progress."""
