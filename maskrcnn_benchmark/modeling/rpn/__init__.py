"""Region proposals: anchors, head, selection, losses."""
