"""Experiments over many runs: the paper's ablations, editing methods side by side, the shipped models judged."""
