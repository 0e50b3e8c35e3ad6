"""Sweeps: one notebook or one stage with many settings, on this machine or a cluster."""
