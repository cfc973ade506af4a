"""Training of patch mixtures (needs torch, imported on first use).

``fastepll.train.train_mixture`` learns from a folder of images, which ``fastepll train FOLDER OUT``
does too; ``fastepll.train.fit_mixture`` learns from patches in memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastepll.train.api import train_mixture
    from fastepll.train.mixture import fit_mixture

__all__ = ["fit_mixture", "train_mixture"]


def __getattr__(name: str) -> Any:
    """Import torch only when the trainer itself is asked for."""
    if name == "train_mixture":
        from fastepll.train.api import train_mixture

        return train_mixture
    if name == "fit_mixture":
        from fastepll.train.mixture import fit_mixture

        return fit_mixture
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
