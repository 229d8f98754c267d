"""Prototype learning: the parts of PE-Net and SPLN, their losses, and the files of prototypes."""
