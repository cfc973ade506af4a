"""torch: what fastepll computes, with its gradient; tensors in and out.

Needs torch, which ``import fastepll`` never loads: ``import fastepll.torch``.
"""

from fastepll.torch.denoising import denoise
from fastepll.torch.likelihood import expected_patch_log_likelihood

__all__ = ["denoise", "expected_patch_log_likelihood"]
