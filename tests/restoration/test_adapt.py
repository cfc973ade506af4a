"""adapt: what a prior of the image gains, in decibels; images of all kinds; what is refused."""

from __future__ import annotations

import numpy as np
import pytest

import fastepll

from ..scenes import noisy, scene, smooth_mixture

MODEL = smooth_mixture()
SIGMA = 0.1
STRIPES = 0.5 + 0.2 * np.sin(1.9 * np.arange(96) + 0.4 * np.arange(80)[:, None])
IMAGE = noisy(STRIPES, SIGMA)


def decibels(image, clean=STRIPES):
    return -10 * np.log10(np.mean(np.square(image - clean)))


def same(a, b):
    return all(
        np.array_equal(getattr(a, name), getattr(b, name))
        for name in ("weights", "eigenvalues", "eigenvectors")
    )


def test_stripes_gain():
    own = fastepll.adapt("gray-8x8-200", IMAGE, SIGMA)
    before, after = (
        decibels(fastepll.denoise(IMAGE, SIGMA, model=model, quality="exact"))
        for model in ("gray-8x8-200", own)
    )
    assert before == pytest.approx(27.87, abs=0.3)
    assert after - before > 2
    assert own.metadata["adapted"] == {"shape": [80, 96, 1], "prior_weight": 300.0}
    shipped = fastepll.load_model("gray-8x8-200")
    assert own.metadata["training_data"] == shipped.metadata["training_data"]
    np.testing.assert_array_equal(own.weights, shipped.weights)


def test_threads_do_not_matter():
    models = [fastepll.adapt(MODEL, IMAGE, SIGMA, n_threads=n) for n in (1, 2, 3)]
    assert same(models[0], models[1])
    assert same(models[0], models[2])


def test_units_do_not_matter():
    wanted = fastepll.adapt(MODEL, np.rint(255 * IMAGE.clip(0, 1)) / 255, SIGMA)
    found = fastepll.adapt(MODEL, np.rint(255 * IMAGE.clip(0, 1)).astype(np.uint8), 255 * SIGMA)
    np.testing.assert_allclose(found.covariances, wanted.covariances, rtol=1e-3, atol=1e-6)


def test_a_stack_has_one_prior():
    """Twice the same image counts as once with half the prior."""
    half = fastepll.adapt(MODEL, IMAGE, SIGMA, prior_weight=150)
    twice = fastepll.adapt(MODEL, [IMAGE, IMAGE], SIGMA, stack=True)
    np.testing.assert_allclose(twice.covariances, half.covariances, rtol=1e-9, atol=1e-14)


def test_a_volume_has_one_prior_of_all_directions():
    """Stripes of all three directions are learnt, whichever way the volume lies."""
    z, y, x = np.mgrid[:24, :32, :40]
    clean = 0.5 + 0.2 * np.sin(1.9 * x + 0.4 * y + 1.3 * z)
    volume = noisy(clean, SIGMA)
    own = fastepll.adapt("gray-8x8-200", volume, SIGMA, spatial_axes=3)
    before, after = (
        decibels(fastepll.denoise(volume, SIGMA, model=model, spatial_axes=3), clean)
        for model in ("gray-8x8-200", own)
    )
    assert before == pytest.approx(25.01, abs=0.1)
    assert after == pytest.approx(32.95, abs=0.3)
    assert same(own, fastepll.adapt("gray-8x8-200", volume, SIGMA, spatial_axes=3, n_threads=1))


def test_colour():
    colours = np.stack([IMAGE, IMAGE[::-1], IMAGE[:, ::-1]], -1)
    of_planes = fastepll.adapt(MODEL, colours, SIGMA, channel_axis=-1)
    first = fastepll.adapt(MODEL, np.moveaxis(colours, -1, 0), SIGMA, channel_axis=0)
    assert same(of_planes, first)
    model = smooth_mixture(4, channels=3)
    own = fastepll.adapt(model, colours, SIGMA, channel_axis=-1)
    assert own.patch_shape == (4, 4, 3)
    assert np.abs(own.covariances - model.covariances).max() > 1e-3


def test_noise_is_estimated():
    image = noisy(scene(96, 120), SIGMA)
    sigma = fastepll.estimate_sigma(image, model=MODEL)
    found, wanted = fastepll.adapt(MODEL, image), fastepll.adapt(MODEL, image, sigma)
    np.testing.assert_allclose(found.covariances, wanted.covariances, rtol=1e-3, atol=1e-6)


def test_an_image_without_noise_is_refused():
    with (
        pytest.warns(UserWarning, match="sigma"),
        pytest.raises(ValueError, match="no noise to adapt a prior to"),
    ):
        fastepll.adapt(MODEL, np.full((40, 50), 0.25))


def test_a_flat_image_has_a_prior():
    flat = noisy(np.full((40, 50), 0.25), SIGMA)
    own = fastepll.adapt(MODEL, flat, SIGMA, prior_weight=1)
    restored = fastepll.denoise(flat, SIGMA, model=own)
    assert np.std(restored) < 0.15 * SIGMA


def test_the_image_stays():
    image = IMAGE.astype(np.float32)
    copy = image.copy()
    fastepll.adapt(MODEL, image, SIGMA)
    np.testing.assert_array_equal(image, copy)


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        ((MODEL, IMAGE, 0), {}, ValueError, "sigma must be in"),
        ((MODEL, IMAGE, -0.1), {}, ValueError, "sigma must be in"),
        ((MODEL, IMAGE, np.nan), {}, ValueError, "sigma must be finite"),
        ((MODEL, IMAGE, np.full(IMAGE.shape, 0.1)), {}, TypeError, "sigma must be"),
        ((MODEL, IMAGE[:5], 0.1), {}, ValueError, "at least"),
        ((MODEL, IMAGE[None], 0.1), {}, ValueError, "image must"),
        ((MODEL, IMAGE, 0.1), {"spatial_axes": 3}, ValueError, "image must be 3-D"),
        ((MODEL, IMAGE[None], 0.1), {"spatial_axes": 3}, ValueError, "along each axis"),
        ((MODEL, np.where(IMAGE > 0.9, np.nan, IMAGE), 0.1), {}, ValueError, "finite"),
        ((MODEL, IMAGE + 0j, 0.1), {}, TypeError, "image must"),
        ((MODEL, IMAGE, 0.1), {"prior_weight": 0}, ValueError, "prior_weight must be in"),
        ((MODEL, IMAGE, 0.1), {"backend": "fast"}, ValueError, "backend must be"),
        (("no-such-model", IMAGE, 0.1), {}, ValueError, "no-such-model"),
    ],
)
def test_is_refused(arguments, options, error, message):
    with pytest.raises(error, match=message):
        fastepll.adapt(*arguments, **options)


def test_other_priors_are_refused():
    class Flat:
        patch_shape = (3, 3)

        def denoise(self, patches, sigma, estimator):
            return np.repeat(patches.mean(1, keepdims=True), 9, axis=1)

    with pytest.raises(TypeError, match="model must be a Gaussian mixture, got Flat"):
        fastepll.adapt(Flat(), IMAGE, SIGMA)
