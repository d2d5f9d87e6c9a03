"""Tagger evaluation: precision and coverage, out-of-distribution study, figures."""
