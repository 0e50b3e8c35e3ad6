"""Footage prepared for training, in the layouts that Style2Talker's loaders read: `stkit data`."""
