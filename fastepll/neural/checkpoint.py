"""A fit in a file (npz, no pickle), from which it goes on as if it had not been interrupted."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fastepll.neural.fit import Fit

LISTS = ("losses", "statistics")


def save(fit: Fit, path: Path, run: str) -> None:
    """Write all that the fit needs to go on; the old file stays until then."""
    arrays: dict[str, Any] = {"run": np.array(run), "at": np.array([fit.i, fit.done])}
    for name, tensor in _tensors(fit).items():
        arrays[name] = tensor.detach().cpu().numpy()
    for k, tensor in enumerate(fit.safe):
        arrays[f"safe {k}"] = tensor.cpu().numpy()
    arrays["safe loss"] = np.array(fit.safe_loss)
    arrays |= {name: np.array(getattr(fit, name)) for name in LISTS}
    arrays["generator"] = fit.generator.get_state().numpy()
    holders = {"rule": fit.rule, "penalty": fit.penalty}
    for kind, holder in holders.items():
        state = {} if holder is None else holder.state()
        arrays |= {f"{kind} {name}": np.asarray(value) for name, value in state.items()}
    partial = path.with_name(path.name + ".part")
    with partial.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
    os.replace(partial, path)


def restore(fit: Fit, path: Path, run: str) -> None:
    """Put a fresh fit where the saved one was; ``run`` is its `digest`, as it was for `save`.

    Raises
    ------
    ValueError
        The file is no checkpoint, or that of a fit of something else or by other settings.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        if str(arrays["run"]) != run:
            raise ValueError("it is of another measurement, or of other settings")
        with torch.no_grad():
            for name, tensor in _tensors(fit).items():
                if name in ("output", "average", "best"):
                    setattr(fit, name, torch.as_tensor(arrays[name]).to(fit.problem.y))
                else:
                    tensor.copy_(torch.as_tensor(arrays[name]))
        fit.i, fit.done = int(arrays["at"][0]), bool(arrays["at"][1])
        safe = [name for name in arrays if name.startswith("safe ") and name != "safe loss"]
        fit.safe = [
            torch.as_tensor(arrays[f"safe {k}"]).to(fit.problem.y) for k in range(len(safe))
        ]
        fit.safe_loss = float(arrays["safe loss"])
        for name in LISTS:
            setattr(fit, name, arrays[name].tolist())
        fit.generator.set_state(torch.as_tensor(arrays["generator"]))
        fit.rule.restore(_of("rule ", arrays))
        if fit.penalty is not None:
            fit.penalty.restore(_of("penalty ", arrays))
    except (OSError, EOFError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"checkpoint {str(path)!r} cannot be used: {error}") from error


def digest(fit: Fit, settings: str) -> str:
    """What tells fits of other data or by other settings apart."""
    problem, rng = fit.problem, np.random.default_rng(0)
    sample = torch.as_tensor(rng.random((1, problem.y.shape[1], *problem.shape))).to(problem.y)
    seen = hashlib.sha256(settings.encode())
    for tensor in (problem.y, problem.measure(sample), torch.as_tensor(problem.weights), fit.z):
        seen.update(tensor.cpu().numpy().tobytes())
    return seen.hexdigest()


def _of(prefix: str, arrays: dict[str, Any]) -> dict[str, Any]:
    """Those whose names begin so, without that."""
    return {name[len(prefix) :]: value for name, value in arrays.items() if name.startswith(prefix)}


def _tensors(fit: Fit) -> dict[str, torch.Tensor]:
    """Tensors of the fit by name: of the network, of Adam, and the images."""
    found = {f"network {name}": tensor for name, tensor in fit.network.state_dict().items()}
    for k, parameter in enumerate(fit.network.parameters()):
        for name, value in fit.optimizer.state[parameter].items():
            found[f"adam {k} {name}"] = value
    return found | {name: getattr(fit, name) for name in ("output", "average", "best")}
