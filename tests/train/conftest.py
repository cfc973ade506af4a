from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """Three small textured images, one of them in colour."""
    from PIL import Image

    root = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for i, shape in enumerate([(40, 60), (50, 45), (48, 48, 3)]):
        smooth = np.cumsum(rng.normal(0, 9, shape), axis=1) + 128
        Image.fromarray(smooth.clip(0, 255).astype(np.uint8)).save(root / f"{i}.png")
    return root


@pytest.fixture(autouse=True)
def one_thread():
    """Small operations are slower on several threads, and much slower on a busy machine."""
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
