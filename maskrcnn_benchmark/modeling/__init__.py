"""The networks: backbone, proposals, heads, and the detector that joins them."""
