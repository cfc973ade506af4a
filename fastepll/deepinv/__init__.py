"""deepinv: the prior in its algorithms, and its physics in `fastepll.restore`; tensors in and out.

Needs deepinv and torch, which ``import fastepll`` never loads: ``import fastepll.deepinv``.
"""

from fastepll.deepinv.models import Denoiser, Reconstructor
from fastepll.deepinv.physics import from_physics

__all__ = ["Denoiser", "Reconstructor", "from_physics"]
