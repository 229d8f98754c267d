"""`scenes`: the demo data set, rendered from a seed. write.py is the entry."""
