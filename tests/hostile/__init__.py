"""Hostile and damaged files against every reader: `python -m tests.hostile`."""
