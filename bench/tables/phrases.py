"""Figures within sentences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .markdown import digits, duration, result
from .peers import of_peers

QUALITIES = ("high", "balanced", "fast", "preview")
DEEPINV, FFDNET = "EPLL, deepinv", "FFDNet, torch"
AS_FAST = "times as fast as FFDNet"


def row(name: str, **wanted: Any) -> dict[str, Any]:
    """The row of a result that has these values."""
    return next(
        row for row in result(name)["rows"] if all(row.get(k) == v for k, v in wanted.items())
    )


def times(value: float) -> str:
    """A ratio of times, to two digits, or three above 1000."""
    return f"{float(f'{value:.{3 if value >= 1000 else 2}g}'):.10g}"


def network_gain() -> str:
    """Least and most dB by which FFDNet is beyond `balanced`."""
    gains = [at["psnr"] - at["psnr of balanced"] for at in of_peers()[FFDNET].values()]
    return f"{min(gains):.1f} to {max(gains):.1f}"


def learned_beside(other: str) -> str:
    """Decibels between the learned level and another method at sigma 25, whichever is better."""
    ours, theirs = (row("beyond", method=name, sigma=25)["psnr"] for name in ("learned", other))
    return f"{abs(ours - theirs):.2f} dB"


def scales_gain() -> str:
    """What several scales gain, by sigma."""
    rows = [row("scales", quality="exact", sigma=sigma) for sigma in (50, 75, 100)]
    return " / ".join(f"{at['scales 3'] - at['scales 1']:.2f}" for at in rows)


def percent(values: list[float]) -> str:
    """Least and most of fractions."""
    return f"{100 * min(values):.0f} to {100 * max(values):.0f} %"


def of_colour(key: str, sign: int) -> str:
    """How much less (or more) squared error the colour prior leaves."""
    found = {(at["model"], at["sigma"]): at[key] for at in result("held_out")["rows"]}
    sigmas = sorted({sigma for _, sigma in found})
    ratios = [found["rgb-8x8-200", s] / found["gray-8x8-200", s] for s in sigmas]
    return percent([sign * (ratio - 1) for ratio in ratios])


def contention_most() -> str:
    """Two threads over one, beside busy processes."""
    rows = [at for at in result("contention")["rows"] if at["busy processes"]]
    return digits(max(at["2 / 1, most"] for at in rows))


def plain_extra() -> str:
    """What estimating sigma adds to a call at each quality."""
    rows = [at for at in result("startup")["rows"] if at["quality"] in QUALITIES]
    return " / ".join(f"{100 * (at['plain call / with sigma'] - 1):.0f} %" for at in rows)


def peak_fraction() -> str:
    """Share of the multiply-add peak that the kernels of the widest isa reach, which it is of."""
    rows = [at for at in result("kernels")["rows"] if at["kernel"] != "peak"]
    widest = [at for at in rows if at["isa"] == rows[-1]["isa"]]
    return percent([at["fraction of peak"] for at in widest])


def megabytes(megapixels: float, quality: str = "balanced") -> str:
    """Extra memory of denoising an image of that size."""
    rows = [at for at in result("scaling")["rows"] if at.get("megapixels") == megapixels]
    rows = [
        at for at in rows if at["quality"] == quality and at.get("task", "denoise") == "denoise"
    ]
    return f"{max(at['extra MB'] for at in rows):.0f}"


def seconds(megapixels: float, quality: str = "balanced") -> str:
    """Time of denoising an image of that size with most threads."""
    rows = [at for at in result("scaling")["rows"] if at.get("megapixels") == megapixels]
    rows = [
        at for at in rows if at["quality"] == quality and at.get("task", "denoise") == "denoise"
    ]
    return duration(max(rows, key=lambda at: at["threads"])["seconds"])


PHRASES: dict[str, Callable[[], str]] = {
    "deepinv over balanced": lambda: times(of_peers()[DEEPINV][25]["time / balanced"]),
    "deepinv over exact": lambda: times(of_peers()[DEEPINV][25]["time / exact"]),
    "exact over balanced": lambda: times(of_peers()["exact"][25]["time / balanced"]),
    "network gain": network_gain,
    "network over balanced": lambda: times(of_peers()[FFDNET][25]["time / balanced"]),
    "scales gain": scales_gain,
    "learned gain": lambda: learned_beside("exact"),
    "learned loss": lambda: learned_beside(FFDNET),
    "learned speed": lambda: times(row("beyond", method="learned", sigma=25)[AS_FAST]),
    "colour prior chroma": lambda: of_colour("chroma mse", -1),
    "colour prior luminance": lambda: of_colour("luminance mse", 1),
    "contention most": contention_most,
    "import time": lambda: f"{result('startup')['import ms']:.0f} ms",
    "first call": lambda: f"{row('startup', quality='balanced')['first call, extra ms']:.0f} ms",
    "new sigma": lambda: f"{row('startup', quality='balanced')['new sigma, extra ms']:.0f} ms",
    "estimate extra": plain_extra,
    "kernel rates": peak_fraction,
    "memory 12": lambda: megabytes(12),
    "memory 100": lambda: megabytes(100),
    "time 12": lambda: seconds(12),
    "time 100": lambda: seconds(100),
    "far": lambda: f"{row('far', task='denoise', megapixels=100.0)['far']:.2f}",
    "barbara high": lambda: f"{row('dip', picture='barbara', quality='high')['psnr']:.1f} dB",
    "barbara balanced": lambda: (
        f"{row('dip', picture='barbara', quality='balanced')['psnr']:.1f} dB"
    ),
    "barbara network": lambda: f"{result('dip')['deep image prior, barbara']:.1f} dB",
}
