"""Text-guided editing under a landmark-weighted loss (Sec. 3.3, Eq. 7-8)."""
