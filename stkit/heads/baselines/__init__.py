"""Reconstructions that the paper compares itself with, each rebuilt small from its paper's text.

They show each method's idea on this kit's capture, rasteriser and losses. They are not their
authors' code, and their numbers here say nothing about the published ones.
"""
