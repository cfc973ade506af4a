"""Dask arrays: images beyond memory, and clusters; bit for bit the result of the whole image."""

from fastepll.dask.denoising import denoise
from fastepll.dask.inverse import Diagonal, Mask, restore

__all__ = ["Diagonal", "Mask", "denoise", "restore"]
