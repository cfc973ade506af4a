"""Arrays of images: their channels as planes, stacks of them, cosine bases of patches."""

from fastepll.images.channels import opponent_planes

__all__ = ["opponent_planes"]
