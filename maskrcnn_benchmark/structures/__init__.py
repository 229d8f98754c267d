"""What flows between the parts: boxes of an image, batches of images, batches of pairs."""
