"""Arrays of images: their channels as planes, stacks of them, cosine bases of patches."""
