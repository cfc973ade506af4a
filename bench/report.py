"""Write the tables of both READMEs from bench/results: ``python bench/report.py [--check]``.

A table stands between ``<!-- NAME -->`` and ``<!-- end NAME -->``; nothing else is touched, nor is
a table without a result.
"""

from __future__ import annotations

import argparse
import csv
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tables import RESULTS, digits, duration, result, table
from thread_tables import contention, pieces
from versions import in_words

ROOT = Path(__file__).parents[1]
QUALITIES = ("exact", "high", "balanced", "fast", "preview")


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


def pareto() -> str:
    """Quality and time of every level and peer, with two threads."""
    figures = result("pareto")
    threads = max(row["threads"] for row in figures["rows"])
    measured = [row for row in figures["rows"] if row["threads"] == threads]
    by_method: dict[str, dict[float, dict[str, Any]]] = {}
    for row in measured:
        by_method.setdefault(row["method"], {})[row["sigma"]] = row
    most = max(row["images"] for row in measured)

    def decibel(row: dict[str, Any] | None) -> str:
        if row is None:
            return ""
        difference = round(row["psnr"] - row["psnr of exact"], 2) + 0.0  # no -0.00
        signed = f"{difference:+.2f}".replace("-", "−")
        return f"{row['psnr']:.2f} ({signed})" + ("" if row["images"] == most else "*")

    rows = []
    for name, at in sorted(by_method.items(), key=lambda item: item[1][25]["seconds"]):
        shown = f"**{name}**" if name.partition(",")[0] in QUALITIES else name
        ratio = f"{digits(at[25]['time / balanced'])}×"
        cells = [decibel(at.get(sigma)) for sigma in (15, 25, 50)]
        rows.append([shown, *cells, duration(at[25]["seconds"]), ratio])
    header = ["method", "sigma 15", "sigma 25", "sigma 50", "time", "time / balanced"]
    used = [peer for peer in figures["peers"] if peer["measured"]]
    packages = dict.fromkeys(f"{p['package']} {p['version']} ({p['licence']})" for p in used)
    few = {row["images"] for row in measured} - {most}
    machine = figures["machine"]
    return (
        "![Quality against time](docs/pareto.svg)\n\n"
        + table(header, rows)
        + f"\n\nMean PSNR in dB over the first {most} images of `bsd68`, in brackets beside exact "
        + "EPLL on the same images; median time at sigma 25 and median ratio"
        + (f"; \\* on the first {max(few)} alone" if few else "")
        + f". {threads} threads, {in_words(machine)}; one interleaved run. "
        + f"Peers: {', '.join(packages)}. Command: "
        + f"`python bench/pareto.py --images {most} --slow {max(few, default=most)} "
        + f"--threads {threads}`."
    )


def tasks() -> str:
    """PSNR of the restoration tasks on few images; of deblurring without a border, one kernel."""
    shown = [row for row in result("tasks")["rows"] if row["images"] < 68]
    rows = [row for row in shown if not re.match("valid levin[2-8]", row["task"])]
    return tasks_of(rows) + " All rows: [bench/README.md](bench/README.md)."


def tasks_all() -> str:
    """PSNR of the restoration tasks."""
    return tasks_of(result("tasks")["rows"])


def tasks_of(figures: Sequence[dict[str, Any]]) -> str:
    """PSNR of the restoration tasks, beside the best setting of every peer."""
    rows = []
    for row in figures:
        rest = {k: v for k, v in row.items() if " " in k or k == "biharmonic"}
        peers: dict[str, float] = {}
        for name, value in rest.items():
            if not name.endswith(("seconds", "reach")):
                family = name.rsplit(" ", 1)[0]
                peers[family] = max(peers.get(family, -1), value)
        best = max(peers, key=lambda name: peers[name], default=None)
        rows.append(
            [row["task"], row["images"], f"{row['measured']:.2f}", f"{row['start']:.2f}"]
            + [f"{row[quality]:.2f}" for quality in ("balanced", "high")]
            + [f"{peers[best]:.2f} {best}" if best else ""]
            + [
                duration(row[f"{quality} seconds"]) if f"{quality} seconds" in row else ""
                for quality in ("balanced", "high")
            ]
        )
    header = ["task", "images", "measured", "start", "`balanced`", "`high`", "best peer"]
    threads, machine = max(row.get("threads", 1) for row in figures), result("tasks")["machine"]
    return (
        table([*header, "time", "time of `high`"], rows)
        + "\n\nMean PSNR in dB over the first images of `bsd68`, median times; "
        + f"{threads} threads, {in_words(machine)}. Noise of 2.55 of 255 "
        + "with blur and where only what is valid is observed, else 2 if any. "
        + "Measured: the measurement brought to the size of the image; of the smaller images it is "
        + "bicubic interpolation. Start: Tikhonov's estimate, or a smooth fill. "
        + "Commands: `python bench/tasks.py --images 12 --peers --write`, the same with 68."
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


def scaling() -> str:
    """Time per pixel and memory by size; patch sides and components."""
    figures = result("scaling")
    machine = figures["machine"]
    sizes = [row for row in figures["rows"] if "side" not in row]
    models = [row for row in figures["rows"] if "side" in row]
    first = table(
        ["task", "megapixels", "quality", "threads", "time", "ns per pixel", "extra memory"],
        [
            [row.get("task", "denoise"), row["megapixels"], row["quality"], row["threads"],
             duration(row["seconds"]), digits(row["ns per pixel"]), f"{row['extra MB']:.0f} MB"]
            for row in sizes
        ],
    )  # fmt: skip
    second = table(
        ["patch", "components", "quality", "threads", "time", "ns per pixel"],
        [
            [f"{row['side']}×{row['side']}", row["k"], row["quality"], row["threads"],
             duration(row["seconds"]), digits(row["ns per pixel"])]
            for row in models
        ],
    )  # fmt: skip
    ratios = [row["far"] for row in sizes if "far" in row]
    far = ""
    if ratios:
        far = (
            f" 100 megapixels take {min(ratios):.2f} to {max(ratios):.2f} times as long per pixel "
        )
        far += "as 2500×2500."
    return (
        f"{first}\n\nExtra memory includes the result (4 bytes per pixel).{far}\n\n{second}\n\n"
        + "A photograph mirrored to that size, the second table 481×321, mixtures not trained; "
        + f"sigma {figures['sigma']}, medians of {figures['rounds']} rounds of processes; "
        + f"{in_words(machine)}. Command: `python bench/scaling.py`."
    )


def kernels() -> str:
    """Rates of the kernels."""
    figures = result("kernels")
    peaks, machine = figures["peak GF/s"], figures["machine"]
    rows = [
        [row["kernel"], row.get("isa") or row["level"], row["threads"], f"{row['GF/s']:.0f}",
         f"{100 * row['fraction of peak']:.0f} %"]
        for row in figures["rows"]
        if row["kernel"] != "peak"
    ]  # fmt: skip
    peak = ", ".join(f"{rate:.0f} GF/s with {n} thread(s)" for n, rate in peaks.items())
    return (
        table(["kernel", "isa", "threads", "GF/s", "of the peak"], rows)
        + f"\n\nMultiply-add peak: {peak}; {in_words(machine)}. Command: `python bench/kernels.py`."
    )


def plus_minus(error: str) -> str:
    """Standard error of an estimate, if it is one."""
    return f" ± {float(error):.1f}" if error else ""


def priors() -> str:
    """What the study of likelihood found of each prior."""
    with (RESULTS / "studies" / "likelihood.csv").open(newline="") as file:
        found = list(csv.DictReader(file))
    columns = {
        "patch mean 25": "patches",
        "image 15": "images, sigma 15",
        "image 25": "sigma 25",
        "image 50": "sigma 50",
    }
    rows = [
        [f"`{row['prior']}`", f"{float(row['nats']):.1f}" + plus_minus(row["error"])]
        + [f"{float(row[column]):.2f}" for column in columns]
        for row in found
    ]
    return (
        table(["prior", "log-likelihood", *columns.values()], rows)
        + "\n\nNats per 8×8 patch of `bsds300/test`, protocol of 63 dimensions; PSNR in dB of "
        + "patches (posterior mean, sigma 25) and of the middle of five images (EPLL). "
        + "Command: `python bench/studies/likelihood.py`."
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail if a file would change")
    args = parser.parse_args()
    changed = False
    for path, sections in FILES.items():
        old = new = path.read_text()
        for section in sections:
            name = section.__name__
            source = SOURCES.get(name, f"{name.partition('_')[0]}.json")
            if not (RESULTS / source).exists():
                print(f"{name}: no result")
                continue
            begin, end = f"<!-- {name} -->", f"<!-- end {name} -->"
            text = f"{begin}\n{section()}\n{end}"
            new = re.sub(f"{begin}.*?{end}", lambda _, text=text: text, new, flags=re.DOTALL)
        changed |= new != old
        if not args.check:
            path.write_text(new)
    return int(args.check and changed)


FILES: dict[Path, list[Callable[[], str]]] = {
    ROOT / "README.md": [restoration, tasks, cbsd68, pareto, startup, priors],
    ROOT / "bench" / "README.md": [tasks_all, scaling, contention, pieces, kernels],
}
SOURCES = {"priors": "studies/likelihood.csv"}

if __name__ == "__main__":
    sys.exit(main())
