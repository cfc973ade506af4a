"""Networks of the presets: their size, their cost, what they map to what."""

from __future__ import annotations

import pytest

from fastepll.neural import PRESETS, DeepDecoder, EncoderDecoder, Preset

torch = pytest.importorskip("torch")

from fastepll.neural.cost import Cost, check_memory, cost_of  # noqa: E402
from fastepll.neural.fit import network_input, padded  # noqa: E402
from fastepll.neural.networks import Network  # noqa: E402

COSTS = {  # parameters, thousands of flops an iteration and pixel, for 256x256 in colour
    "slim": (152_199, 129.5),
    "deep-decoder": (71_299, 35.0),
    "denoising": (2_217_831, 1773.7),
    "super-resolution-x4": (2_217_831, 1773.7),
    "super-resolution-x8": (2_217_831, 1773.7),
    "inpainting": (2_217_831, 1773.7),
    "inpainting-text": (3_002_627, 2970.8),
    "inpainting-vase": (2_157_955, 1683.3),
    "inpainting-library": (2_996_467, 160.8),
    "two-images": (2_184_307, 1722.9),
}


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_has_the_parameters_and_the_cost_that_the_guide_says(name):
    preset = PRESETS[name]
    n_in = 3 if name == "two-images" else None
    cost = cost_of(preset, (256, 256), 3, n_in=n_in, half=False)
    parameters, thousands = COSTS[name]
    assert cost.n_parameters == parameters
    assert cost.flops / 256**2 / 1000 == pytest.approx(thousands, rel=1e-3)


def test_flops_of_a_small_network_by_hand():
    network = EncoderDecoder(down=(2,), up=(3,), skip=(1,), pointwise=False)
    cost = cost_of(Preset(network=network, input_channels=4), (8, 8), 1, half=False)
    encode = 16 * (4 * 2 * 9 + 2 * 2 * 9)
    decode = 64 * (4 * 1 + (2 + 1) * 3 * 9 + 3 * 1)
    assert cost.flops == 6 * (encode + decode)


@pytest.mark.parametrize("name", PRESETS)
def test_a_network_maps_its_input_to_an_image_of_its_padded_size(name):
    preset = PRESETS[name]
    if name not in ("slim", "deep-decoder", "inpainting-library"):
        small = EncoderDecoder(
            down=(4,) * 5,
            up=(4,) * 5,
            skip=tuple(min(n, 4) for n in preset.network.skip),
            upsampling=preset.network.upsampling,
        )
        preset = Preset(network=small, input=preset.input, input_channels=preset.input_channels)
    sides = [padded(n, preset) for n in (65, 40)]
    generator = torch.Generator().manual_seed(0)
    z = network_input(preset, sides, None, generator)
    image = Network(preset.network, z.shape[1], 2, half=False)(z)
    assert image.shape == (1, 2, *sides)
    assert 0 < image.min() <= image.max() < 1
    assert all(side >= n for side, n in zip(sides, (65, 40), strict=True))


def test_the_input_is_noise_in_a_tenth_or_coordinates():
    generator = torch.Generator().manual_seed(0)
    noise = network_input(PRESETS["slim"], [64, 32], None, generator)
    assert 0 <= noise.min() < 0.001
    assert 0.099 < noise.max() <= 0.1
    grid = network_input(PRESETS["inpainting-vase"], [64, 32], None, generator)
    assert grid.shape == (1, 2, 64, 32)
    assert torch.equal(grid[0, 0, :, 3], torch.linspace(0, 1, 64))
    assert torch.equal(grid[0, 1, 5], torch.linspace(0, 1, 32))


def test_a_deep_decoder_mixes_no_neighbours_but_by_enlarging():
    network = Network(DeepDecoder(channels=8, layers=2), 8, 1, half=False)
    kernels = [p.shape[-2:] for p in network.parameters() if p.dim() == 4]
    assert kernels == [(1, 1)] * 3


def test_memory_that_will_not_suffice_is_an_error_that_says_how_much():
    with pytest.raises(MemoryError, match=r"needs about 1000000\.0 GB of memory"):
        check_memory(Cost(1, 1.0, 1e15), torch.device("cpu"))
