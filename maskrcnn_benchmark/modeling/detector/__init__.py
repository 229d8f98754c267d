"""Detectors: trunk, proposals and heads joined."""
