"""A descent in a file (npz, no pickle), from which it goes on bit for bit."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fastepll.models._npz import read_arrays
from fastepll.train.descent import Run

if TYPE_CHECKING:
    import torch


def save(run: Run, path: Path) -> None:
    """Write all that the run needs to go on; the old file stays until then."""
    values: dict[str, Any] = {
        name: tensor.detach().cpu().numpy() for name, tensor in _tensors(run).items()
    }
    values |= {f"option {name}": np.array(value) for name, value in run.how.options().items()}
    values |= {f"best {name}": tensor.cpu().numpy() for name, tensor in run.best.items()}
    values["at"] = np.array([run.i, run.total])
    values["history"] = np.array(run.history, float).reshape(-1, 3)
    partial = path.with_name(path.name + ".part")
    with partial.open("wb") as file:
        arrays = {name: np.asarray(value, order="C") for name, value in values.items()}
        np.savez(file, allow_pickle=False, **arrays)
    os.replace(partial, path)


def restore(run: Run, path: Path) -> None:
    """Put a fresh run where the saved one was.

    Raises
    ------
    ValueError
        The file is no checkpoint, or that of another module or other options.
    """
    import torch

    try:
        with path.open("rb") as file:
            names = [name.removesuffix(".npy") for name in zipfile.ZipFile(file).namelist()]
            arrays = read_arrays(file, names)
        for name, value in run.how.options().items():
            if float(arrays[f"option {name}"]) != value:
                raise ValueError(f"its {name} is {arrays[f'option {name}']}, not {value:g}")
        with torch.no_grad():
            for name, tensor in _tensors(run).items():
                found = torch.tensor(arrays[name])
                if found.shape != tensor.shape:
                    raise ValueError(f"{name} has shape {tuple(found.shape)}")
                tensor.copy_(found)
        shapes = {name: tensor.shape for name, tensor in run.module.named_parameters()}
        run.best = {
            name.removeprefix("best "): torch.tensor(value)
            for name, value in arrays.items()
            if name.startswith("best ")
        }
        if run.best and {name: value.shape for name, value in run.best.items()} != shapes:
            raise ValueError("its best parameters are those of another module")
        run.i, run.total = int(arrays["at"][0]), float(arrays["at"][1])
        run.history = [(int(i), float(a), float(b)) for i, a, b in arrays["history"]]
    except Exception as error:  # hostile bytes reach a dozen kinds of error in zipfile and NumPy
        raise ValueError(f"checkpoint {str(path)!r} cannot be used: {error}") from error


def _tensors(run: Run) -> dict[str, torch.Tensor]:
    """Tensors by name: parameters, state of Adam, and the average."""
    found = {f"network {name}": tensor for name, tensor in run.module.named_parameters()}
    for k, parameter in enumerate(run.module.parameters()):
        for name, value in run.optimizer.state[parameter].items():
            found[f"adam {k} {name}"] = value
    return found | {f"average {name}": tensor for name, tensor in run.average.items()}
