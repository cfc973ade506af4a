"""Arithmetic coding of data under a model: as many bits as -log2 of their probability, and no more.

The divergence of a wrong model is then a number of bits that can be counted.
"""

from __future__ import annotations

import operator
from bisect import bisect_right
from typing import Any, Protocol, SupportsIndex, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastepll._validation.generative import check_rows
from fastepll._validation.model_arrays import Array
from fastepll.generative.base import GenerativeModel

BITS = 32
TOP, HALF, QUARTER = (1 << BITS) - 1, 1 << (BITS - 1), 1 << (BITS - 2)
TOTAL = 1 << 24  # what the probabilities of a variable's values are rounded to parts of


@runtime_checkable
class Sequential(Protocol):
    """A model that tells the distribution of each variable given those before it."""

    @property
    def order(self) -> NDArray[np.intp]:
        """Order of the variables, (d,)."""

    def conditional(self, x: Array, i: int) -> Array:
        """Probabilities (n, levels of i) of variable i, given those before it in rows (n, d)."""


def encode(model: GenerativeModel, x: ArrayLike) -> bytes:
    """Write data without loss, in the bits that the model says.

    Parameters
    ----------
    model : GenerativeModel
        With ``order`` and ``conditional``: those of tables, naive Bayes, the autoregressive ones.
    x : array_like, shape (n, d) or (n, ...)

    Returns
    -------
    bytes
        Their number of bits is within two bytes of -log2 of the probability of the data, but for
        the rounding of probabilities to 2**-24, of which each value has at least one.

    Raises
    ------
    TypeError
        A model without such conditionals.
    ValueError
        Data outside its domain.

    Notes
    -----
    All data's first variables are coded, then all second ones, and so on, so that the model works
    on all data together. The numbers are those of 32-bit registers. The decoder must compute the
    same probabilities to the last bit: the same version on the same kind of machine.

    References
    ----------
    I. H. Witten, R. M. Neal, J. G. Cleary, Arithmetic coding for data compression, Communications
    of the ACM 30, 1987.

    Examples
    --------
    >>> from fastepll.generative import Independent
    >>> from fastepll.generative.coding import decode, encode
    >>> coin = Independent((1,), levels=2, tables=[0.9, 0.1])
    >>> x = coin.sample(10_000, rng=0)
    >>> len(encode(coin, x)) * 8 / 10_000 < 0.48  # the entropy is 0.469 bits
    True
    >>> bool((decode(coin, encode(coin, x), 10_000) == x).all())
    True
    """
    source = _sequential(model)
    rows = check_rows("x", x, model.shape, model.domain, model._levels)
    before, coder = np.zeros_like(rows), _Encoder()
    for i in source.order:
        values = rows[:, i].astype(np.intp)
        edges = _edges(source.conditional(before, i))
        pair = np.arange(len(rows))
        for low, high in zip(
            edges[pair, values].tolist(), edges[pair, values + 1].tolist(), strict=True
        ):
            coder.put(low, high)
        before[:, i] = values
    return coder.end()


def decode(model: GenerativeModel, code: bytes, n: SupportsIndex) -> Array:
    """Read what `encode` wrote.

    Parameters
    ----------
    model : GenerativeModel
        The same.
    code : bytes
    n : int
        How many data there are.

    Returns
    -------
    numpy.ndarray
        (n, d).

    Raises
    ------
    TypeError
        A model without conditionals, or a code that is not bytes.
    ValueError
        A code whose length is not that of such data.
    """
    source, count = _sequential(model), operator.index(n)
    if not isinstance(code, (bytes, bytearray, memoryview)):
        raise TypeError(f"code must be bytes, got {type(code).__name__}")
    if count < 0:
        raise ValueError(f"n must not be negative, got {count}")
    rows, coder = np.zeros((count, model.d)), _Decoder(bytes(code))
    for i in source.order:
        edges = _edges(source.conditional(rows, i)).tolist()
        rows[:, i] = [coder.get(each) for each in edges]
    coder.end()
    return rows


def _sequential(model: Any) -> Sequential:
    """Such a model."""
    if not isinstance(model, Sequential):
        raise TypeError(f"{type(model).__name__} has no exact conditionals to code by")
    return model


def _edges(probabilities: Array) -> NDArray[np.int64]:
    """Bounds (n, r + 1) of the parts of `TOTAL` that the values have, each at least one."""
    n, r = probabilities.shape
    sums = np.cumsum(probabilities, axis=1) / probabilities.sum(axis=1, keepdims=True)
    edges = np.zeros((n, r + 1), np.int64)
    edges[:, 1:] = np.floor(np.clip(sums, 0, 1) * (TOTAL - r)) + np.arange(1, r + 1)
    edges[:, -1] = TOTAL
    return edges


class _Encoder:
    """Narrows an interval, and writes the bits that its ends have in common."""

    def __init__(self) -> None:
        self.low, self.high, self.pending, self.bits = 0, TOP, 0, bytearray()

    def put(self, begin: int, end: int) -> None:
        """Take the part from begin to end of `TOTAL`."""
        size = self.high - self.low + 1
        self.low, self.high = self.low + size * begin // TOTAL, self.low + size * end // TOTAL - 1
        while True:
            if self.high < HALF:
                self._write(0)
            elif self.low >= HALF:
                self._write(1)
                self.low, self.high = self.low - HALF, self.high - HALF
            elif self.low >= QUARTER and self.high < 3 * QUARTER:
                self.pending += 1
                self.low, self.high = self.low - QUARTER, self.high - QUARTER
            else:
                return
            self.low, self.high = 2 * self.low, 2 * self.high + 1

    def end(self) -> bytes:
        """Two bits more say which quarter lies in the interval."""
        self.pending += 1
        self._write(int(self.low >= QUARTER))
        return np.packbits(np.frombuffer(self.bits, np.uint8)).tobytes()

    def _write(self, bit: int) -> None:
        """Write a bit, and the other one for each that was undecided."""
        self.bits.append(bit)
        self.bits.extend([1 - bit] * self.pending)
        self.pending = 0


class _Decoder:
    """Follows the encoder; past the end of the code all bits are 0."""

    def __init__(self, code: bytes) -> None:
        self.size, self.bits = len(code), np.unpackbits(np.frombuffer(code, np.uint8)).tobytes()
        self.low, self.high, self.place, self.value = 0, TOP, 0, 0
        for _ in range(BITS):
            self._read()

    def get(self, edges: list[int]) -> int:
        """Which part of `TOTAL` the code is in."""
        size = self.high - self.low + 1
        k = bisect_right(edges, ((self.value - self.low + 1) * TOTAL - 1) // size) - 1
        begin, end = edges[k], edges[k + 1]
        self.low, self.high = self.low + size * begin // TOTAL, self.low + size * end // TOTAL - 1
        while True:
            if self.high < HALF:
                shift = 0
            elif self.low >= HALF:
                shift = HALF
            elif self.low >= QUARTER and self.high < 3 * QUARTER:
                shift = QUARTER
            else:
                return k
            self.value -= shift
            self.low, self.high = 2 * (self.low - shift), 2 * (self.high - shift) + 1
            self._read()

    def end(self) -> None:
        """Refuse a code of another length."""
        wanted = (self.place - BITS + 2 + 7) // 8
        if self.size != wanted:
            raise ValueError(f"code must have {wanted} bytes for these data, got {self.size}")

    def _read(self) -> None:
        """Shift a bit in."""
        bit = self.bits[self.place] if self.place < len(self.bits) else 0
        self.value, self.place = 2 * self.value + bit, self.place + 1
