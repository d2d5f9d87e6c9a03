"""The papers' experiments, each re-run by one command."""
