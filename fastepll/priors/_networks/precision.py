"""Products of matrices in half precision, for training."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch


def products(*, halved: bool) -> AbstractContextManager[object]:
    """Where matrices are multiplied in bfloat16, or as they are."""
    return torch.autocast("cpu", torch.bfloat16) if halved else nullcontext()
