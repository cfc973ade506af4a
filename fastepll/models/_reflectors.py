"""Orthonormal bases in two bytes per number: Householder reflectors rounded to 16 bits.

An orthonormal U is up to the signs of its columns H₀H₁⋯H_d. H₀ is the fixed reflection that takes
the last axis to the constant vector. Hⱼ = I - 2vv'/v'v has a v that is 0 above entry j, 1 there and
in [-1, 1] below: those entries are stored, as multiples of 2⁻¹⁵. Hⱼ is a reflection whatever they
are, so a basis read is orthonormal to float64 rounding. If the last column of U is constant, so is
that of the basis read: H₀U has its last row and column in common with I, and the entries that
rounding acts on are those of the other rows.

References
----------
.. [1] R. Schreiber and C. Van Loan, "A storage-efficient WY representation for products of
   Householder transformations", SIAM J. Sci. Stat. Comput. 10(1), 1989.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastepll._validation.model_arrays import Array

UNIT = 1 << 15  # of the integers
_BATCH = 4  # bases worked on together
_BLOCK = 32  # reflectors applied together


def pack(bases: Array) -> NDArray[np.int16]:
    """Entries of the reflectors of (k, d, d) orthonormal bases, (k, d (d - 1) / 2)."""
    k, d, _ = bases.shape
    upper = np.triu_indices(d, 1)
    packed = np.empty((k, len(upper[0])), "<i2")
    for at in range(0, k, _BATCH):
        part = slice(at, at + _BATCH)
        rows, _ = np.linalg.qr(_to_constant(bases[part].copy()), mode="raw")
        rounded = np.rint(UNIT * rows[:, upper[0], upper[1]])
        packed[part] = np.clip(rounded, -UNIT, UNIT - 1)
    return packed


def unpack(packed: NDArray[Any], d: int) -> Array:
    """Bases (k, d, d), read-only, of what `pack` returns."""
    bases = np.zeros((len(packed), d, d))
    diagonal, upper = range(d), np.flatnonzero(np.triu(np.ones((d, d), bool), 1))
    bases[:, diagonal, diagonal] = 1
    rows = np.zeros((_BATCH, d, d))  # v' of each reflector
    rows[:, diagonal, diagonal] = 1
    for at in range(0, len(packed), _BATCH):
        part, basis = packed[at : at + _BATCH], bases[at : at + _BATCH]
        rows.reshape(_BATCH, -1)[: len(part), upper] = part / UNIT
        for start in reversed(range(0, d, _BLOCK)):
            _apply(rows[: len(part), start : start + _BLOCK, start:], basis[:, start:, start:])
        _to_constant(basis)
    bases.flags.writeable = False  # so that a mixture need not copy it
    return bases


def _apply(rows: Array, to: Array) -> None:
    """Multiply in place by the product of the reflectors in ``rows``, I - VTV' by [1]_."""
    columns = rows.transpose(0, 2, 1)
    inverse = np.triu(rows @ columns)  # of T
    inverse[:, range(rows.shape[1]), range(rows.shape[1])] /= 2
    to -= columns @ np.linalg.solve(inverse, rows @ to)


def _to_constant(bases: Array) -> Array:
    """Apply in place, to the columns, the reflection of the last axis to the constant vector."""
    d = bases.shape[-1]
    w = np.full(d, d**-0.5)
    w[-1] += 1
    bases -= (w / (1 + d**-0.5))[:, None] * (w @ bases)[:, None, :]
    return bases
