"""The deep image prior beside EPLL, and with it: ``python bench/studies/deep_image_prior.py``.

A fit takes minutes of a processor, all of them together days: each is kept, in
``bench/results/studies/deep_image_prior.jsonl``, as soon as it is done, and the page is written
from those that there are. ``--only REGEX`` computes some, ``--write`` none; ``--part 0/2`` and
``--part 1/2`` share them between two processes.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import dip_page
import numpy as np
import torch
from dip_cases import SIGMA, TASKS, Case, by_epll, by_network, case, crop, enlarge
from dip_page import load
from harness import Cells, Study, Values
from measures import psnr
from protocol import RESULTS

from fastepll.neural import PRESETS, EncoderDecoder, Preset, deep_image_prior
from fastepll.neural.cost import cost_of

Job: TypeAlias = "tuple[str, Callable[[], Values]]"

MODEL = "gray-8x8-200"  # of EPLL, alone and beside the network
THREADS = 1  # of torch: two fits on two processors are faster than one after the other
HOLE_PRESETS = {
    "kate": "inpainting-text",
    "library": "inpainting-library",
    "vase": "inpainting-vase",
}
CANDIDATES = {"16": 16, "32": 32, "64": 64}  # channels of a slim network
TARGETS = ("image", "image and noise", "shuffled pixels", "noise")
STEPS = tuple(round(10 ** (k / 10)) for k in range(10, 34))  # 10 to 2000
PROBE = """
import re, sys, time
import numpy as np, torch, fastepll
torch.set_num_threads(int(sys.argv[2]))
def fit(preset, side, n):
    y, times = np.random.default_rng(0).random((side, side, 3)), []
    fastepll.deep_image_prior(y, preset=preset, channel_axis=-1, precision=sys.argv[3],
                              stop=n, callback=lambda step: times.append(time.perf_counter()))
    peak = re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())
    return np.median(np.diff(times)), 1024 * int(peak[1])
before = fit("slim", 64, 2)[1]
seconds, after = fit(sys.argv[1], 256, 6)
print(seconds, after - before)
"""


def main(argv: Sequence[str] | None = None) -> None:
    study = Study("deep_image_prior", __doc__, argv, options=options)
    arguments = study.arguments
    if not study.quick:
        study.cells = Cells(RESULTS / "studies" / f"{study.name}.jsonl", fresh=arguments.fresh)
    torch.set_num_threads(THREADS)
    part, parts = map(int, arguments.part.split("/"))
    wanted = [job for job in jobs(study) if re.search(arguments.only, job[0])]
    deadline = time.monotonic() + 60 * arguments.minutes
    for i, (key, compute) in enumerate(wanted):
        if arguments.write or i % parts != part or time.monotonic() > deadline:
            continue
        study.cell(key, compute=compute)
    if part == 0:
        dip_page.write(study)


def options(parser: ArgumentParser) -> None:
    """Which cells."""
    parser.add_argument("--only", default="", metavar="REGEX", help="those whose key has it")
    parser.add_argument("--write", action="store_true", help="compute none, write the page")
    parser.add_argument("--part", default="0/1", help="number and count of processes")
    parser.add_argument("--minutes", type=float, default=1e9, help="begin no cell after that")


def jobs(study: Study) -> Iterator[Job]:
    """Keys and what computes them, in the order of their importance."""
    folder = study.work / "dip"
    folder.mkdir(parents=True, exist_ok=True)
    n = study.pick(0, 4)  # iterations, 0 for those of the preset

    def fit(key: str, of: Callable[[], Case], **how: Any) -> Job:
        def compute() -> Values:
            told = {"iterations": n} if n else {}
            values, image = by_network(of(), **{"preset": "slim", **how, **told})
            save(folder / f"{key}.npz", image)
            return values

        return key, compute

    def classical(key: str, of: Callable[[], Case]) -> Job:
        def compute() -> Values:
            values, image = by_epll(of(), MODEL)
            save(folder / f"{key}.npz", image)
            return values

        return key, compute

    every = [(task, name) for task, names in TASKS.items() for name in names]
    every = study.pick(every, every[:1])
    for t, name in every:
        if t not in ("inpaint", "hole"):
            yield untouched(f"{t} {name} before", partial(case, t, name))
        yield classical(f"{t} {name} epll", partial(case, t, name))
    for t, name in every:
        yield fit(f"{t} {name} slim", partial(case, t, name))
        yield fit(f"{t} {name} slim+epll", partial(case, t, name), prior=MODEL)
        yield from mean_of(study, f"{t} {name}", "mean", "epll", "slim")
    for target in study.pick(TARGETS, TARGETS[:1]):
        yield f"bias {target}", lambda target=target: bias(target, study.pick(max(STEPS), 10))
    for preset in study.pick(tuple(PRESETS), ("slim",)):
        if preset != "two-images":  # the network of "denoising" but for its input
            yield f"cost {preset}", lambda preset=preset: cost(study, preset)
    yield from whole(study, fit, classical)


def whole(study: Study, fit: Any, classical: Any) -> Iterator[Job]:
    """The cells for one image each: the paper's own networks, the candidates, ×8, `barbara`."""
    if study.quick:
        return
    plane = partial(case, "denoise", "F16_GT")
    for seed in (0, 1):
        yield fit(f"denoise F16_GT paper {seed}", plane, preset="denoising", seed=seed)
    yield fit("denoise F16_GT slim 1", plane, seed=1)
    yield from mean_of(study, "denoise F16_GT", "paper twice", "paper 0", "paper 1")
    yield from mean_of(study, "denoise F16_GT", "slim twice", "slim", "slim 1")
    yield fit("denoise F16_GT deep-decoder", plane, preset="deep-decoder")
    yield fit("denoise F16_GT sgld", plane, langevin=2.0)
    for name, channels in CANDIDATES.items():
        network = EncoderDecoder(down=(channels,) * 5, up=(channels,) * 5)
        yield fit(f"denoise F16_GT of {name}", plane, preset=Preset(network=network))
    for name, preset in HOLE_PRESETS.items():
        yield fit(f"hole {name} paper", partial(case, "hole", name), preset=preset)
    eight = lambda: enlarge(crop("zebra_GT"), 8)  # noqa: E731
    yield untouched("enlarge-8 zebra_GT before", eight)
    yield classical("enlarge-8 zebra_GT epll", eight)
    yield fit("enlarge-8 zebra_GT slim", eight)
    barbara = partial(case, "inpaint", "barbara")
    yield classical("inpaint barbara epll", barbara)
    yield fit("inpaint barbara slim", barbara)
    yield fit("inpaint barbara paper", barbara, preset="inpainting")


def untouched(key: str, of: Callable[[], Case]) -> Job:
    """A cell of the PSNR of what was measured."""

    def compute() -> Values:
        one = of()
        return {"psnr": psnr(one.before, one.clean)}

    return key, compute


def bias(target: str, n: int) -> Values:
    """Loss by iteration of a fit to a target, figure 2 of the paper; its input stays as it is."""
    rng, clean = np.random.default_rng(0), crop("F16_GT")
    targets = {
        "image": lambda: clean,
        "image and noise": lambda: clean + SIGMA * rng.standard_normal(clean.shape),
        "shuffled pixels": lambda: rng.permutation(clean.reshape(-1, 3)).reshape(clean.shape),
        "noise": lambda: rng.random(clean.shape),
    }
    losses = deep_image_prior(
        targets[target](),
        stop=n,
        input_noise=0,
        channel_axis=-1,
        full_output=True,
        average=0,
        data_range=1.0,
    ).losses
    return {f"loss {i}": losses[i - 1] for i in STEPS if i <= n}


def cost(study: Study, preset: str) -> Values:
    """Seconds of an iteration at 256x256 in colour, and the memory of the process."""
    told = cost_of(PRESETS[preset], (256, 256), 3, half=False)
    values: Values = {"parameters": told.n_parameters, "flops": told.flops, "told": told.nbytes}
    for precision in ("float32", "bfloat16"):
        command = [sys.executable, "-c", PROBE, preset, "2", precision]
        output = subprocess.run(  # where no sources hide the installed package
            command, check=True, capture_output=True, text=True, cwd=study.work
        ).stdout
        values[f"seconds {precision}"], values[f"bytes {precision}"] = map(float, output.split())
    return values


def mean_of(study: Study, case: str, name: str, *methods: str) -> Iterator[Job]:
    """A cell of the PSNR of the mean of a case's images by some methods, if they are there."""
    files = [study.work / "dip" / f"{case} {method}.npz" for method in methods]
    if all(file.exists() for file in files):
        yield (
            f"{case} {name}",
            lambda: {
                "average": psnr(np.mean([load(file) for file in files], 0), crop(case.split()[1]))
            },
        )


def save(path: Path, image: Any) -> None:
    """An image for the pictures of the page."""
    np.savez_compressed(path, image=image.astype(np.float16))


if __name__ == "__main__":
    main()
