"""The tables of denoising: gray, colour, the first calls of a process."""

from __future__ import annotations

from typing import Any

from versions import in_words

from .markdown import digits, duration, result, table

QUALITIES = ("exact", "learned", "high", "balanced", "fast", "preview")


def restoration() -> str:
    """Quality and time of every level on bsd68."""
    figures = result("restoration")
    sigmas = sorted({row["sigma"] for row in figures["rows"]})
    at = {(row["quality"], row["sigma"]): row for row in figures["rows"]}
    rows: list[list[object]] = []
    for quality in QUALITIES:
        cells = [at[quality, sigma] for sigma in sigmas]
        rows.append(
            [f"`{quality}`"]
            + [f"{cell['psnr']:.2f} dB, {cell['ssim']:.3f}" for cell in cells]
            + [duration(at[quality, 25]["median seconds"]), plain_call(at[quality, 25])]
        )
    exact = [at["exact", sigma] for sigma in sigmas]
    rows.append(
        ["EPLL as published", *(f"{cell['published psnr']:.2f} dB" for cell in exact), "", ""]
    )
    rows.append(["noisy", *(f"{cell['noisy psnr']:.2f} dB" for cell in exact), "", ""])
    machine = figures["machine"]
    return (
        table(["quality", *(f"sigma {s}" for s in sigmas), "time at sigma 25", "plain call"], rows)
        + "\n\nPSNR and SSIM, means over the 68 images; median time of a 481×321 image, and median "
        + "ratio of a call that has to estimate sigma to one that is given it; "
        + f"{figures['threads']} threads, {in_words(machine)}. "
        + "Command: `python bench/restoration.py`."
    )


def beyond() -> str:
    """The learned level, the others, adapted priors, networks and BM3D."""
    figures = result("beyond")
    at = {(row["method"], row["sigma"]): row for row in figures["rows"]}
    sigmas = sorted({sigma for _, sigma in at})

    def quality(name: str, sigma: int) -> str:
        row = at.get((name, sigma))
        if row is None:
            return ""
        beside = "" if row["images"] == 68 else f" ({row['psnr'] - row['psnr of exact']:+.2f})"
        return f"{row['psnr']:.2f} dB{beside.replace('-', '−')}"

    rows = []
    for name in dict.fromkeys(name for name, _ in at):
        row = at[name, 25]
        rows.append(
            [
                f"`{name}`" if name in QUALITIES else name,
                *(quality(name, sigma) for sigma in sigmas),
                duration(row["median seconds"]),
                f"{digits(row['times as fast as FFDNet'])}×",
                "" if row["megabytes"] is None else f"{row['megabytes']:.1f} MB",
            ]
        )
    few = {row["images"] for row in figures["rows"]} - {68}
    heads = ["method", *(f"sigma {s}" for s in sigmas), "time", "as fast as FFDNet", "memory"]
    return (
        table(heads, rows)
        + "\n\nPSNR, means over the 68 images of `bsd68`"
        + "".join(f"; BM3D of the first {n}, in brackets beside `exact` on these" for n in few)
        + "; median time of a 481×321 image at sigma 25, with that to adapt, and median ratio of "
        + "times; memory that a restoration takes beyond what the process had; "
        + f"{figures['threads']} threads, {in_words(figures['machine'])}. "
        + "Command: `python bench/beyond.py`."
    )


def plain_call(row: dict[str, Any]) -> str:
    """Time of a call without sigma beside one with it."""
    return f"{digits(row['plain / with sigma'])}×" if "plain / with sigma" in row else ""


def cbsd68() -> str:
    """Quality and time of colour denoising with both priors."""
    figures = result("cbsd68")
    at = {(row["quality"], row["prior"], row["sigma"]): row for row in figures["rows"]}
    rows: list[list[object]] = []
    for quality, prior in dict.fromkeys(key[:2] for key in at):
        cells = [at[quality, prior, sigma] for sigma in (15, 25, 50)]
        star = "" if cells[0]["images"] == 68 else r"\*"
        decibels = [f"{cell['psnr']:.2f} dB{star}" for cell in cells]
        rows.append([f"`{quality}`", f"`{prior}`", *decibels, duration(cells[1]["seconds"])])
    published = figures["CBM3D published"]
    rows.append(["CBM3D as published", "", *(f"{published[s]:.2f} dB" for s in published), ""])
    slow, machine = at["exact", "gray-8x8-200", 25], figures["machine"]
    return (
        table(["quality", "prior", "sigma 15", "sigma 25", "sigma 50", "time at sigma 25"], rows)
        + "\n\nPSNR over the three channels, means over the 68 images (CBSD68); "
        + rf"\* over the first {slow['images']} alone. Median time of a 481×321 image; "
        + f"{figures['threads']} threads, {in_words(machine)}. "
        + f"Command: `python bench/cbsd68.py --slow {slow['images']}`."
    )


def startup() -> str:
    """What the first calls of a process cost."""
    figures = result("startup")
    threads = max(row["threads"] for row in figures["rows"])
    columns = ["later calls ms", "first call, extra ms", "new sigma, extra ms"]
    columns += ["plain call ms", "plain call / with sigma"]
    rows = [
        [row["quality"], *(digits(row[column]) if column in row else "" for column in columns)]
        for row in figures["rows"]
        if row["threads"] == threads
    ]
    height, width = figures["shape"]
    machine = figures["machine"]
    return (
        table(["quality", *columns], rows)
        + f"\n\n`import fastepll` takes {figures['import ms']:.0f} ms. {width}×{height} image, "
        + f"{threads} threads, medians over {figures['processes']} processes; "
        + f"{in_words(machine)}. Command: `python bench/startup.py`."
    )
