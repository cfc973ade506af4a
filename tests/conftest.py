"""Fixtures that every room shares: backend, isa, n_threads, the data folder."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import get_args

import hypothesis
import pytest

from fastepll import _info, cli
from fastepll.backends import Backend, get_backend, why_not
from fastepll.typing import BackendName

from .scenes import smooth_mixture

# The same examples in every run, and none fails for being slow beside other work.
hypothesis.settings.register_profile("fixed", derandomize=True, deadline=None, database=None)
hypothesis.settings.register_profile("search", deadline=None, max_examples=2000)  # by hand
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))

PRIORLESS = ("info", "train", "study", "priors", "deep-image-prior")  # commands without --model
PACKAGE = Path(_info.__file__).parent  # the one under test: installed, or the source tree
BACKENDS = [name for name in get_args(BackendName) if why_not(name) is None]


def isas() -> list[str]:
    """Instruction sets to test: FASTEPLL_SIMD, else all that run here; none without the core."""
    if why_not("native"):
        return []
    from fastepll import _core

    wanted = os.environ.get("FASTEPLL_SIMD")
    return [wanted] if wanted else _core.supported_isas()


def pytest_sessionstart() -> None:
    """Refuse to test sources without a core, unless that is wanted: most tests would not run."""
    sources = PACKAGE.parent == Path(__file__).parents[1].resolve()
    required = os.environ.get("FASTEPLL_REQUIRE_CORE", str(int(sources)))
    if required != "0" and (reason := why_not("native")):
        pytest.exit(
            f"{PACKAGE}: {reason}; build the core with pip install -e . , or test without one with "
            "FASTEPLL_REQUIRE_CORE=0",
            returncode=1,
        )


def pytest_report_header() -> list[str]:
    config = _info.show_config("dict")
    return [
        f"fastepll: {PACKAGE}",
        f"backends: {', '.join(BACKENDS)}; instruction set: {config['simd']['in use']}; "
        f"threads: {config['threads']['in use']} ({config['threads']['from']})",
    ]


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> Backend:
    """Every backend that this installation has."""
    return get_backend(request.param)


@pytest.fixture(params=isas())
def isa(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Every instruction set that runs here, in use by the native backend."""
    monkeypatch.setenv("FASTEPLL_SIMD", request.param)
    return request.param


@pytest.fixture(params=[1, 2, 3, 7, 64])
def n_threads(request: pytest.FixtureRequest) -> int:
    """Thread counts, also odd ones and more than there are processors."""
    return request.param


@pytest.fixture
def python(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start another Python on a program, with the same fastepll; environment=None unsets."""
    started = []

    def start(code: str, **environment: str | None) -> subprocess.Popen[str]:
        changed = {"PYTHONPATH": str(PACKAGE.parent), **environment}
        kept = {name: text for name, text in os.environ.items() if name not in changed}
        env = kept | {name: text for name, text in changed.items() if text is not None}
        process = subprocess.Popen(
            [sys.executable, "-c", code], cwd=tmp_path, env=env, text=True, stdout=subprocess.PIPE
        )
        started.append(process)
        return process

    yield start
    for process in started:
        with process:
            process.kill()


@pytest.fixture
def prior_file(tmp_path: Path) -> str:
    """File of a small prior."""
    path = tmp_path / "prior.npz"
    smooth_mixture().save(path)
    return str(path)


@pytest.fixture
def run(prior_file: str, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run a command with that prior; exit code, standard output, standard error."""

    def call(*arguments: object) -> tuple[int, str, str]:
        options = [] if arguments[0] in PRIORLESS else ["--model", prior_file]
        code = cli.main([*map(str, arguments), *options])
        out, err = capsys.readouterr()
        return code, out, err

    return call


@pytest.fixture(scope="session")
def deepinv() -> ModuleType:
    """The package, or skip.

    It imports torchvision, which refuses where it was built for another torch (CUDA, say) and its
    compiled operators cannot be loaded. Nothing here uses them, so two are declared for it.
    """
    torch = pytest.importorskip("torch")
    try:
        importlib.import_module("torchvision")
    except ImportError:
        pytest.skip("no torchvision")
    except RuntimeError:
        for name in ("nms", "qnms"):
            signature = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
            torch.library.define(f"torchvision::{name}", signature)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own imports
        return pytest.importorskip("deepinv")


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of the photographs, where there is one."""
    beside = Path(__file__).parents[1].resolve().parent / "shared" / "data"
    folder = Path(os.environ.get("FASTEPLL_DATA") or beside)
    if not folder.is_dir():
        pytest.skip(f"no data folder {folder} (set FASTEPLL_DATA)")
    return folder
