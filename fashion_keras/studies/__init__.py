"""The papers' experiments, and our own, as presets that one command re-runs."""
