"""Patch priors: the Gaussian mixture, its files and the named pretrained weights."""

from fastepll.models.mixture import GaussianMixture

__all__ = ["GaussianMixture"]
