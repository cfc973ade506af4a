"""Linear degradations y = A x of one image plane: forward, adjoint, and (AᵀA + τI)⁻¹."""

from fastepll.operators.base import Composition, Operator, check_adjoint
from fastepll.operators.blur import Blur
from fastepll.operators.downsample import Downsample, bicubic_kernel
from fastepll.operators.foreign import from_linear_operator
from fastepll.operators.pixels import Diagonal, Identity, Mask

__all__ = [
    "Blur",
    "Composition",
    "Diagonal",
    "Downsample",
    "Identity",
    "Mask",
    "Operator",
    "bicubic_kernel",
    "check_adjoint",
    "from_linear_operator",
]
