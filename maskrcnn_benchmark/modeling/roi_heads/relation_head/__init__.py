"""The relation head: which pairs, what they look like, and what relates them."""
