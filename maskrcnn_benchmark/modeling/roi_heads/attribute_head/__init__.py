"""Attributes of boxes."""
