"""Experiments over many runs: ablations, editing methods side by side, shipped models judged."""
