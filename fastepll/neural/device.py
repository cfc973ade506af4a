"""Where a fit is computed, and in what precision."""

from __future__ import annotations

from typing import Literal

import torch


def device_of(device: str | torch.device | None) -> torch.device:
    """The device, which must be there.

    Raises
    ------
    ValueError
        It is unknown or absent.
    """
    try:
        chosen = torch.device("cpu" if device is None else device)
        torch.zeros(1, device=chosen).cpu()
    except (AssertionError, RuntimeError, TypeError, NotImplementedError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ValueError(
            f"device must be one that torch has here, got {device!r}: {reason}"
        ) from error
    return chosen


def halves(precision: Literal["auto", "float32", "bfloat16"], device: torch.device) -> bool:
    """Whether features are computed in bfloat16."""
    if precision != "auto":
        return precision == "bfloat16"
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    told = [
        getattr(torch.cpu, f"_is_{kind}_supported", None) for kind in ("avx512_bf16", "amx_tile")
    ]
    return device.type == "cpu" and any(supported is not None and supported() for supported in told)
