"""The trained reaction diffusion of quality "learned": its parameters, for any noise level."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastepll._validation.arguments import check_number
from fastepll._validation.model_arrays import check_metadata, check_patch_shape
from fastepll.models._npz import naming
from fastepll.models.described import Form

FORM = Form("fastepll-diffusion", 1, "patch_shape")
KIND = "reaction-diffusion"
MOST_HALVINGS = 4
GRAY, CHROMA = "gray-8x8", "chroma-8x8"
FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "diffusions")


@dataclass(frozen=True, eq=False)
class DiffusionStep:
    """What one step does to an image, at one noise level.

    Attributes
    ----------
    patch_shape : (int, int)
        d is the product.
    analysis : (n, 2 d) array
        n filters of a patch of the image, and behind each the filter of the noisy patch less it,
        or of the guide's. The former have no response to a constant.
    values : (n, k) array
        Influence functions at k knots from -reach to reach, linear between and beyond them.
    synthesis : (d, n) array
        From the influences to what is added to a patch.
    reach, reaction : float
    halvings : int
        How often the image is halved before, and what is added to it enlarged after.
    guided : bool
        Whether a guide is seen instead of the noisy image: another image of the same place. Then
        reaction is 0.
    """

    patch_shape: tuple[int, int]
    analysis: NDArray[np.float64]
    values: NDArray[np.float64]
    synthesis: NDArray[np.float64]
    reach: float
    reaction: float
    halvings: int = 0
    guided: bool = False


class ReactionDiffusion:
    """Steps, each ``x + mean of S φ(A [P x, P (y - x)] / σ) σ + λ (y - x)`` over the patches P.

    A step may be of an image at half its size (means of 2x2 pixels), or that halved again; then
    its changes are enlarged by linear interpolation. One that is guided by another image g of the
    same place, as chroma by luminance, is ``x + mean of S φ(A [P x, P g] / σ) σ``.

    Parameters
    ----------
    patch_shape : (int, int)
        d is the product.
    sigmas : array_like, shape (m,)
        Noise levels of the training, rising, of intensities in [0, 1].
    analysis, values, synthesis : array_like, shapes (m, s, n, 2 d), (m, s, n, k), (m, s, d, n)
        Of each level and step: filters A, influence functions φ at knots, and S.
    reaction : array_like, shape (m, s)
        Weights λ.
    reach : float
        Knots are even from -reach to reach.
    halvings : array_like of int, shape (s,), optional
        How often the image is halved for each step; by default never.
    guided : bool, optional
        Whether the steps see a guide instead of the noisy image.
    metadata : mapping, optional
        Origin and licence.

    Raises
    ------
    ValueError
        Arrays that do not fit, or that are not finite.

    References
    ----------
    Y. Chen, T. Pock, "Trainable nonlinear reaction diffusion: a flexible framework for fast and
    effective image restoration", IEEE TPAMI 39 (2017). Here all steps also see the noisy image.
    """

    def __init__(
        self,
        patch_shape: Sequence[int],
        *,
        sigmas: ArrayLike,
        analysis: ArrayLike,
        values: ArrayLike,
        synthesis: ArrayLike,
        reaction: ArrayLike,
        reach: ArrayLike,
        halvings: ArrayLike | None = None,
        guided: ArrayLike = False,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        self.metadata = check_metadata(metadata or {})
        given = {
            "sigmas": sigmas,
            "analysis": analysis,
            "values": values,
            "synthesis": synthesis,
            "reaction": reaction,
            "reach": reach,
            "guided": guided,
        }
        self.arrays = {name: np.asarray(value, np.float64) for name, value in given.items()}
        for name, array in self.arrays.items():
            if not np.isfinite(array).all():
                raise ValueError(f"{name} must be finite")
        if self.arrays["analysis"].ndim != 4 or self.arrays["values"].ndim != 4:
            raise ValueError("analysis and values must have 4 axes")
        d = math.prod(patch_shape)
        shape = check_patch_shape(patch_shape, d)
        if len(shape) != 2:
            raise ValueError(f"patch_shape must have two axes, got {shape}")
        self.patch_shape = shape[0], shape[1]
        m, s, n = self.arrays["analysis"].shape[:3]
        if halvings is None:
            halvings = np.zeros(s)
        self.arrays["halvings"] = np.asarray(halvings, np.float64)
        k = self.arrays["values"].shape[3]
        shapes = {
            "sigmas": (m,),
            "analysis": (m, s, n, 2 * d),
            "values": (m, s, n, k),
            "synthesis": (m, s, d, n),
            "reaction": (m, s),
            "reach": (),
            "halvings": (s,),
            "guided": (),
        }
        for name, wanted in shapes.items():
            if self.arrays[name].shape != wanted:
                raise ValueError(f"{name} must have shape {wanted}, got {self.arrays[name].shape}")
        rising = (np.diff(self.arrays["sigmas"]) > 0).all() and (self.arrays["sigmas"] > 0).all()
        if min(m, s, n) < 1 or k < 2 or not rising or not self.arrays["reach"] > 0:
            raise ValueError("sigmas must rise from above 0, and reach be positive")
        if not np.isin(self.arrays["halvings"], range(MOST_HALVINGS + 1)).all():
            raise ValueError(f"halvings must be integers from 0 to {MOST_HALVINGS}")
        if not np.isin(self.arrays["guided"], (0, 1)):
            raise ValueError("guided must be 0 or 1")
        if self.guided and self.arrays["reaction"].any():
            raise ValueError("reaction must be 0 where steps are guided")

    @property
    def halvings(self) -> tuple[int, ...]:
        """Of each step."""
        return tuple(int(value) for value in self.arrays["halvings"])

    @property
    def guided(self) -> bool:
        """Whether its steps see a guide instead of the noisy image."""
        return bool(self.arrays["guided"])

    @property
    def n_steps(self) -> int:
        """Steps."""
        return int(self.arrays["analysis"].shape[1])

    def steps(self, sigma: float) -> list[DiffusionStep]:
        """What to do to an image with noise of standard deviation sigma, one step after another.

        Parameters are interpolated linearly in log sigma, and beyond the levels of the training
        those of the nearest hold.
        """
        sigma = check_number("sigma", sigma, 1e-30, 1e30)
        at = np.interp(
            math.log(sigma), np.log(self.arrays["sigmas"]), np.arange(self.arrays["sigmas"].size)
        )
        low = min(int(at), max(self.arrays["sigmas"].size - 2, 0))
        share = float(at) - low
        mixed = {
            name: array[low] if share == 0 else (1 - share) * array[low] + share * array[low + 1]
            for name, array in self.arrays.items()
            if array.ndim > 1
        }
        return [
            DiffusionStep(
                self.patch_shape,
                np.ascontiguousarray(mixed["analysis"][i] * (2**halvings / sigma)),
                np.ascontiguousarray(mixed["values"][i]),
                np.ascontiguousarray(mixed["synthesis"][i] * (sigma / 2**halvings)),
                float(self.arrays["reach"]),
                float(mixed["reaction"][i]),
                halvings,
                self.guided,
            )
            for i, halvings in enumerate(self.halvings)
        ]

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write it to an ``.npz`` file, in float32."""
        arrays = {name: array.astype(np.float32) for name, array in self.arrays.items()}
        FORM.save(path, KIND, self.patch_shape, arrays, self.metadata, overwrite=overwrite)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> ReactionDiffusion:
        """Read such a file; ValueError if it is damaged or none."""
        kind, given = FORM.read(path)
        with naming(path):
            if kind != KIND:
                raise ValueError(f"its kind must be {KIND!r}, got {kind!r}")
            return cls(**given)


@cache
def shipped(name: str = GRAY) -> ReactionDiffusion:
    """One that comes with the package: of gray images, or of chroma, guided by luminance."""
    return ReactionDiffusion.load(os.path.join(FOLDER, f"{name}.npz"))
