"""What variational autoencoders of patches and of other data share."""
