"""Steps of a trained reaction diffusion: what they are, and that the core computes them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fastepll.backends import diffusion
from fastepll.backends.transpose import transposed_step
from fastepll.models.diffusion import DiffusionStep


@pytest.fixture
def native():
    pytest.importorskip("fastepll._core")
    return pytest.importorskip("fastepll.backends.native").backend


def step_of(
    n: int, shape: tuple[int, int] = (8, 8), knots: int = 41, *, guided: bool = False
) -> DiffusionStep:
    rng, d = np.random.default_rng(n), shape[0] * shape[1]
    analysis = rng.standard_normal((n, 2 * d))
    analysis[:, :d] -= analysis[:, :d].mean(1, keepdims=True)
    values, synthesis = rng.standard_normal((n, knots)), 0.1 * rng.standard_normal((d, n))
    reaction = 0.0 if guided else 0.05
    return DiffusionStep(shape, analysis, values, synthesis, 4.0, reaction, guided=guided)


def images(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(height)
    image = rng.random((height, width))
    return image, image + 0.1 * rng.standard_normal(image.shape)


def diffused(image: np.ndarray, noisy: np.ndarray, step: DiffusionStep) -> np.ndarray:
    return diffusion.diffuse(image, noisy, step, np.empty_like(image))


@pytest.mark.parametrize("guided", [False, True])
def test_the_reference_is_the_definition(guided):
    """Patch by patch and filter by filter, responses within and beyond the knots."""
    (image, noisy), step = images(7, 9), step_of(3, (3, 2), knots=5, guided=guided)
    second = noisy if guided else noisy - image
    total, count = np.zeros_like(image), np.zeros_like(image)
    for y in range(5):
        for x in range(8):
            here = np.s_[y : y + 3, x : x + 2]
            patch = np.concatenate([image[here].ravel(), second[here].ravel()])
            change = np.zeros(6)
            for i in range(3):
                place = (step.analysis[i] @ patch + 4) / 2
                k = min(max(int(np.floor(place)), 0), 3)
                low, high = step.values[i, k : k + 2]
                change += (low + (place - k) * (high - low)) * step.synthesis[:, i]
            total[here] += change.reshape(3, 2)
            count[here] += 1
    expected = image + total / count + (0 if guided else 0.05 * (noisy - image))
    np.testing.assert_allclose(diffused(image, noisy, step), expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("guided", [False, True])
@pytest.mark.parametrize(
    ("size", "n", "shape"),
    [
        ((37, 53), 48, (8, 8)),
        ((8, 8), 5, (8, 8)),
        ((9, 8), 64, (8, 8)),
        ((23, 41), 17, (5, 7)),
        ((150, 31), 33, (3, 4)),
        ((40, 39), 12, (6, 10)),
        ((26, 90), 9, (4, 5)),
        ((30, 44), 96, (4, 6)),
        ((301, 67), 64, (8, 8)),
    ],
)
def test_the_core_agrees_with_the_reference(native, isa, size, n, shape, guided):
    (image, noisy), step = images(*size), step_of(n, shape, guided=guided)
    expected = diffused(image, noisy, step)
    pair = image.astype(np.float32), noisy.astype(np.float32)
    found = [
        native.diffuse(*pair, step, np.empty(size, np.float32), n_threads=threads)
        for threads in (1, 2, 3, 7)
    ]
    change = np.abs(expected - image).max()
    np.testing.assert_allclose(found[0], expected, rtol=0, atol=2e-5 * change)
    for other in found[1:]:
        np.testing.assert_array_equal(other, found[0])


def test_only_differences_matter(native, isa):
    """A pixel 1000 gray levels up costs as much as float32 holds of it."""
    (image, noisy), step = images(20, 31), step_of(64)
    pair = image.astype(np.float32), noisy.astype(np.float32)
    near, far = (
        native.diffuse(
            *(each + np.float32(shift) for each in pair),
            step,
            np.empty_like(pair[0]),
            n_threads=1,
        )
        for shift in (0, 4)
    )
    np.testing.assert_allclose(far - 4, near, rtol=0, atol=3e-4)


@pytest.mark.parametrize("shape", [(8, 8), (5, 6), (6, 3), (12, 2)])
@pytest.mark.parametrize(
    ("origin", "guided"), [((5, 11), False), ((16, 8), False), ((23, 1), True)]
)
def test_part_of_an_image_has_the_pixels_of_the_whole(native, isa, origin, shape, guided):
    (image, noisy), step = images(79, 83), step_of(64, shape, guided=guided)
    pair = image.astype(np.float32), noisy.astype(np.float32)
    whole = native.diffuse(*pair, step, np.empty_like(pair[0]), n_threads=2)
    y, x = origin
    parts = [np.ascontiguousarray(each[y : y + 54, x : x + 62]) for each in pair]
    part = native.diffuse(*parts, step, np.empty_like(parts[0]), origin=origin, n_threads=1)
    rows, cols = (n - 1 for n in shape)
    np.testing.assert_array_equal(
        part[rows:-rows, cols:-cols], whole[y + rows : y + 54 - rows, x + cols : x + 62 - cols]
    )


@pytest.mark.parametrize("guided", [False, True])
def test_the_transpose_is_that_of_small_changes(guided):
    (image, noisy), step = images(11, 13), step_of(6, (4, 3), guided=guided)
    rng = np.random.default_rng(1)
    slope, *changes = rng.standard_normal((3, 11, 13))
    found = transposed_step(image, noisy, step, slope)
    eps = 1e-7
    ahead, behind = (
        (slope * diffused(image + s * eps * changes[0], noisy + s * eps * changes[1], step)).sum()
        for s in (1, -1)
    )
    expected = (ahead - behind) / (2 * eps)
    total = sum(float((a * b).sum()) for a, b in zip(found, changes, strict=True))
    assert total == pytest.approx(expected, rel=1e-6)


def test_the_core_refuses_what_python_should_have_checked(native):
    (image, noisy), step = images(9, 10), step_of(4)
    pair = image.astype(np.float32), noisy.astype(np.float32)

    def run(image=pair[0], noisy=pair[1], step=step, out=None, n_threads=1):
        target = np.empty_like(pair[0]) if out is None else out
        native.diffuse(image, noisy, step, target, n_threads=n_threads)

    run()
    for wrong in (
        {"image": pair[0][:7]},
        {"noisy": pair[1][:8]},
        {"image": pair[0][None]},
        {"out": pair[0]},
        {"out": pair[1]},
        {"n_threads": 0},
        {"step": step_of(4, (12, 2))},
        {"step": replace(step, patch_shape=(8, 7))},
        {"step": replace(step, analysis=step.analysis[1:])},
        {"step": replace(step, values=np.ascontiguousarray(step.values[:, :1]))},
    ):
        with pytest.raises(ValueError, match=r"image|out|n_threads|matrices"):
            run(**wrong)
    with pytest.raises(TypeError):
        run(image=image)


def test_poll_can_stop(native, isa):
    (image, noisy), step = images(300, 200), step_of(64)
    pair = image.astype(np.float32), noisy.astype(np.float32)

    def refuse(fraction: float) -> None:
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        native.diffuse(*pair, step, np.empty_like(pair[0]), n_threads=2, poll=refuse)
