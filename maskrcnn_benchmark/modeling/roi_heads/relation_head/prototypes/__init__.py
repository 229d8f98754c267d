"""Prototype learning: branches that compare pairs with one prototype a predicate, their losses, and the files of prototypes."""
