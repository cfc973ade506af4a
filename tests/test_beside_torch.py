"""fastepll and torch in one process: two libraries with threads of their own."""

from __future__ import annotations

import importlib.util
import sys

import pytest

from fastepll.backends import why_not

pytestmark = pytest.mark.skipif(why_not("native") is not None, reason="needs the native core")

BOTH = """
from concurrent.futures import ThreadPoolExecutor
{imports}
import numpy as np
import torch
import fastepll

image = np.random.default_rng(0).random((96, 128))
matrix = torch.rand(400, 400, dtype=torch.float64, generator=torch.Generator().manual_seed(0))

def ours(n_threads):
    return fastepll.denoise(image, 0.1, data_range=1.0, n_threads=n_threads)

def theirs():
    return (matrix @ matrix).sin().sum()

alone, product = ours(1), theirs()
for n_threads in (2, 5):
    torch.set_num_threads(n_threads)
    with ThreadPoolExecutor(4) as pool:  # both at once, from several threads
        results = [(pool.submit(ours, n_threads), pool.submit(theirs)) for _ in range(4)]
        for restored, total in results:
            np.testing.assert_array_equal(restored.result(), alone)
            torch.testing.assert_close(total.result(), product)
print("done")
"""
TORCH_FIRST = "import torch\nimport fastepll"
TORCH_LAST = "import fastepll\nimport torch"


@pytest.mark.parametrize("imports", [TORCH_FIRST, TORCH_LAST], ids=["torch first", "torch last"])
@pytest.mark.parametrize("layer", ["team", "openmp"])
def test_both_in_one_process(python, imports, layer):
    pytest.importorskip("torch")
    if layer == "openmp" and importlib.util.find_spec("fastepll._openmp") is None:
        pytest.skip("no OpenMP layer")
    code = BOTH.format(imports=imports)
    process = python(code, FASTEPLL_THREADING=layer)
    assert process.communicate(timeout=240)[0] == "done\n"
    assert process.returncode == 0


def test_no_openmp_runtime_is_loaded(python):
    """The core and the Python package load none, so there is none to clash with torch's."""
    if sys.platform != "linux":
        pytest.skip("reads /proc")
    code = """
import numpy as np
import fastepll
fastepll.denoise(np.zeros((32, 32)), 0.1, data_range=1.0, n_threads=2)
text = open("/proc/self/maps").read()
print([name for name in ("libgomp", "libomp", "libiomp") if name in text])
"""
    assert python(code, FASTEPLL_THREADING=None).communicate(timeout=60)[0] == "[]\n"
