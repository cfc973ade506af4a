"""Training of patch mixtures from a folder of images (needs torch, imported on first use).

``fastepll.train.train_mixture`` is the function; ``fastepll train FOLDER OUT`` is the command.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastepll.train.api import train_mixture

__all__ = ["train_mixture"]


def __getattr__(name: str) -> Any:
    """Import torch only when the trainer itself is asked for."""
    if name == "train_mixture":
        from fastepll.train.api import train_mixture

        return train_mixture
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
