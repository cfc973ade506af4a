"""torch: what fastepll computes, with its gradient; tensors in and out.

Needs torch, which ``import fastepll`` never loads: ``import fastepll.torch``.
"""

from fastepll.torch.likelihood import expected_patch_log_likelihood

__all__ = ["expected_patch_log_likelihood"]
