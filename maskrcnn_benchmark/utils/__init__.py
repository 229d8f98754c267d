"""Helpers that know nothing of scene graphs and import nothing of the rest of the package."""
