"""Peers that run in torch: deepinv's EPLL, FFDNet, DnCNN; see `peers`, which uses them."""

from __future__ import annotations

from typing import Any

import numpy as np
from protocol import Denoise, Image, data_dir

BATCH = 512  # patches at once in deepinv: as fast as any, and it must fit in memory


def deepinv(n_threads: int) -> Denoise:
    """EPLL of deepinv with our mixture and the usual betas, in float32.

    It does not remove the mean of a patch. Here the mixture gets a wide Gaussian along the constant
    patch and the image loses its mean, which comes to the same.
    """
    import torch

    import fastepll

    declare_torchvision_operators()
    from deepinv.optim import EPLL
    from deepinv.optim.utils import GaussianMixtureModel
    from deepinv.physics import Denoising

    torch.set_num_threads(n_threads)
    model = fastepll.load_model("gray-8x8-200")
    mixture = GaussianMixtureModel(model.k, model.d)
    mixture.set_weights(torch.tensor(np.array(model.weights)))
    mixture.set_cov(torch.tensor(model.covariances + 10 / model.d))
    method = EPLL(mixture, pretrained=None, patch_size=model.patch_shape[0])
    physics = Denoising()

    @torch.inference_mode()
    def call(noisy: Image, sigma: float) -> Image:
        mean = noisy.mean()
        y = torch.from_numpy(noisy - mean).float()[None, None]
        restored = method(y, physics, sigma=sigma, batch_size=BATCH)
        return restored[0, 0].double().numpy() + mean

    return call


def declare_torchvision_operators() -> None:
    """Let deepinv be imported where torchvision was built for another torch (CUDA, say).

    torchvision then lacks its compiled operators, and refuses to be imported. EPLL uses none.
    """
    import torch

    try:
        import torchvision  # noqa: F401
    except RuntimeError:
        for name in ("nms", "qnms"):
            signature = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
            torch.library.define(f"torchvision::{name}", signature)


def network(path: str) -> Any:
    """3x3 convolutions, ReLU between, of a file with "model.N.weight" and "model.N.bias"."""
    import torch
    from torch import nn

    arrays = dict(np.load(data_dir() / "weights" / path))
    layers: list[nn.Module] = []
    for name in sorted((n for n in arrays if n.endswith("weight")), key=lambda n: int(n[6:-7])):
        weight = torch.from_numpy(arrays[name])
        layer = nn.Conv2d(weight.shape[1], weight.shape[0], 3, padding=1)
        bias = torch.from_numpy(arrays[name.replace("weight", "bias")])
        layer.load_state_dict({"weight": weight, "bias": bias})
        layers += [layer, nn.ReLU(inplace=True)]
    return nn.Sequential(*layers[:-1]).eval()


def ffdnet(n_threads: int) -> Denoise:
    """FFDNet for gray images in torch, float32."""
    import torch
    from torch.nn import functional

    torch.set_num_threads(n_threads)
    net = network("ffdnet_gray.npz")

    @torch.inference_mode()
    def call(noisy: Image, sigma: float) -> Image:
        height, width = noisy.shape
        y = torch.from_numpy(noisy).float()[None, None]
        y = functional.pad(y, (0, width % 2, 0, height % 2), mode="replicate")
        y = functional.pixel_unshuffle(y, 2)
        level = torch.full_like(y[:, :1], sigma)
        x = functional.pixel_shuffle(net(torch.cat([y, level], 1)), 2)
        return x[0, 0, :height, :width].double().numpy()

    return call


def dncnn(n_threads: int) -> Denoise:
    """DnCNN for sigma 25 in torch, float32."""
    import torch

    torch.set_num_threads(n_threads)
    net = network("dncnn_gray_25.npz")

    @torch.inference_mode()
    def call(noisy: Image, sigma: float) -> Image:
        y = torch.from_numpy(noisy).float()[None, None]
        return (y - net(y))[0, 0].double().numpy()

    return call
