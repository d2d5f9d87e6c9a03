"""Fuzzing: hostile inputs for everything that the package reads; see docs/trust.md."""
