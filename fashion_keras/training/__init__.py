"""From a catalogue to a trained classifier."""
