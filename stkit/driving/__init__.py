"""What moves a head: other captures, other trackers' files, a script."""
