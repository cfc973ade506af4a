"""Estimation of the noise level of an image."""

from fastepll.noise.estimate import STEP, estimate_sigma

__all__ = ["STEP", "estimate_sigma"]
