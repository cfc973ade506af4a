"""A fit in a file (npz, no pickle), from which it goes on as if it had not been interrupted."""

from __future__ import annotations

import hashlib
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fastepll.models._npz import read_arrays
from fastepll.neural.fit import Fit

NUMBERS = ("losses", "statistics", "safe_loss")
IMAGES = ("output", "average", "best")


def save(fit: Fit, path: Path, run: str) -> None:
    """Write all that the fit needs to go on; the old file stays until then."""
    values: dict[str, Any] = {"run": bytes_of(run), "at": np.array([fit.i, fit.done], float)}
    values |= {name: tensor.detach().cpu().numpy() for name, tensor in _tensors(fit).items()}
    values |= {f"safe {k}": tensor.cpu().numpy() for k, tensor in enumerate(fit.safe)}
    values |= {name: np.array(getattr(fit, name), float) for name in NUMBERS}
    values["generator"] = fit.generator.get_state().numpy()
    for kind in ("rule", "penalty"):
        holder = getattr(fit, kind)
        state = {} if holder is None else holder.state()
        values |= {f"{kind} {name}": value for name, value in state.items()}
    partial = path.with_name(path.name + ".part")
    with partial.open("wb") as file:
        arrays = {name: np.asarray(value, order="C") for name, value in values.items()}
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
        with path.open("rb") as file:
            names = [name.removesuffix(".npy") for name in zipfile.ZipFile(file).namelist()]
            arrays = read_arrays(file, names)
        if not np.array_equal(arrays["run"], bytes_of(run)):
            raise ValueError("it is of another measurement, or of other settings")
        with torch.no_grad():
            for name, tensor in _tensors(fit).items():
                found = torch.tensor(arrays[name])
                if name in IMAGES:
                    setattr(fit, name, found.to(fit.problem.y))
                else:
                    tensor.copy_(found)
        fit.i, fit.done = int(arrays["at"][0]), bool(arrays["at"][1])
        n_safe = sum(name.startswith("safe ") for name in arrays)
        fit.safe = [torch.tensor(arrays[f"safe {k}"]).to(fit.problem.y) for k in range(n_safe)]
        for name in NUMBERS:
            setattr(fit, name, arrays[name].tolist())
        fit.generator.set_state(torch.tensor(arrays["generator"]))
        fit.rule.restore(_of("rule ", arrays))
        if fit.penalty is not None:
            fit.penalty.restore(_of("penalty ", arrays))
    except Exception as error:  # hostile bytes reach a dozen kinds of error in zipfile and NumPy
        raise ValueError(f"checkpoint {str(path)!r} cannot be used: {error}") from error


def bytes_of(text: str) -> NDArray[np.uint8]:
    """Text as an array."""
    return np.frombuffer(text.encode(), np.uint8)


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
    found = {f"network {name}": tensor for name, tensor in fit.network.named_parameters()}
    for k, parameter in enumerate(fit.network.parameters()):
        for name, value in fit.optimizer.state[parameter].items():
            found[f"adam {k} {name}"] = value
    return found | {name: getattr(fit, name) for name in IMAGES}
