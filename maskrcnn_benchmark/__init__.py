"""Scene graph generation on a Faster R-CNN: from an image to objects and (subject, predicate, object) relations."""

__version__ = "0.1.0"
