"""The page, figures and CSV of the study of the deep image prior, of the cells that there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from dip_cases import HOLES, TASKS, paper_mask
from harness import Row, Study, Values, canvas, table

TITLES = {
    "denoise": "noise of 25/255",
    "inpaint": "half of the pixels missing",
    "enlarge": "×4 super-resolution",
    "deblur": "motion blur, noise of 2.55/255",
    "jpeg": "JPEG of quality 10",
    "hole": "text (`kate`) and large holes",
}
WHITE = ("denoise", "deblur")  # tasks in which sigma is that of white noise
METHODS = ("before", "epll", "slim", "slim+epll", "mean")
COLUMNS = dict.fromkeys(("before", "EPLL", "DIP", "best", "DIP + EPLL", "mean of both"), ".2f")
SUMMED = ("before", "EPLL", "DIP", "DIP + EPLL", "over the better")
PUBLISHED = {"last": 29.22, "average": 30.43, "two averages": 31.00, "CBM3D": 31.42}
"""Mean of nine whole images at sigma 25, Ulyanov et al. (2020), tables of the supplement."""


def write(study: Study) -> None:
    """All of it."""
    known = {key: cell["values"] for key, cell in study.cells.known.items()}
    study.seconds = sum(cell["seconds"] for cell in study.cells.known.values())
    rows = [{"cell": key, **values} for key, values in sorted(known.items())]
    study.csv([{k: v for k, v in row.items() if not k.startswith("average ")} for row in rows])
    parts = [
        *comparison(known),
        *paper(known),
        *stops(known),
        *presets(known),
        *spectral_bias(study, known),
        *pictures(study, known),
    ]
    sentences = (
        "A network of random weights that is fitted to the one degraded image (Ulyanov, Vedaldi, "
        "Lempitsky 2018) beside EPLL on the same input, in the middle 256×256 pixels of each "
        "image. PSNR in dB; seconds of CPU time, on one thread."
    )
    study.page("The deep image prior, beside EPLL and with it", sentences, parts)


def mean(values: Sequence[Values], key: str) -> float:
    """Of a figure."""
    return float(np.mean([one[key] for one in values]))


def summed(means: Mapping[str, float]) -> Row:
    """Of a task: what both priors together have over the better one of them."""
    better = max(means["EPLL"], means["DIP"])
    gains = {"over the better": means["DIP + EPLL"] - better} if "DIP + EPLL" in means else {}
    return {name: means[name] for name in SUMMED if name in means} | gains


def comparison(known: Mapping[str, Values]) -> list[str]:
    """EPLL, the network, and both, image by image, and means over those that all have restored."""
    parts, summary = [], []
    for task, title in TITLES.items():
        rows: list[dict[str, Any]] = []
        for name in TASKS[task]:
            before, epll, slim, both, mixed = (known.get(f"{task} {name} {m}", {}) for m in METHODS)
            if slim or both:
                psnr = before.get("psnr"), epll["psnr"], slim.get("average"), slim.get("best")
                psnr += both.get("average"), mixed.get("average")
                rows.append({"image": name, **dict(zip(COLUMNS, psnr, strict=True))})
        columns = {c: digits for c, digits in COLUMNS.items() if any(row[c] for row in rows)}
        whole = [row for row in rows if all(row[c] for c in columns)]
        if whole:
            means = {c: float(np.mean([row[c] for row in whole])) for c in columns}
            rows.append({"image": f"mean of {len(whole)}", **means})
            summary.append({"task": title, "images": len(whole), **summed(means)})
        if rows:
            parts += [f"### {title[0].upper()}{title[1:]}", table(rows, {"image": ""} | columns)]
    fits = {
        words: [known[k] for t in TITLES for n in TASKS[t] if (k := f"{t} {n} {m}") in known]
        for m, words in (("slim", "DIP"), ("slim+epll", "DIP + EPLL"))
    }
    costs = [
        f"{words}: {np.median([one['seconds'] for one in found]):.0f} s and "
        f"{np.median([one['flops'] * one['iterations'] for one in found]) / 1e12:.1f} Tflop"
        for words, found in fits.items()
        if found
    ]
    if not parts:
        return []
    parts = [table(summary, {"task": "", "images": "d"} | dict.fromkeys(SUMMED, ".2f")), *parts]
    epll = [one["seconds"] for key, one in known.items() if key.endswith(" epll")]
    return [
        "## EPLL, the deep image prior, both",
        "Before: what was measured; for super-resolution, enlarged by bicubic interpolation. "
        'EPLL: `quality="high"`. DIP: preset `slim`, all its iterations, the exponential average '
        "of its outputs at the end; best: the best such average of the run, which a rule of "
        "stopping that saw the clean image would return. DIP + EPLL: what EPLL restored is the "
        'network\'s input and half of the result (`prior="gray-8x8-200"`), 300 iterations. Of a '
        "missing pixel it is exp(-depth/8) of the result, and where a hole is deeper than the 8 "
        "pixels of a patch the input is noise and the iterations are those of DIP. "
        "Mean of both: of the images of EPLL and DIP, which were computed alone. "
        "Of JPEG all are told a sigma of 25/255, which is best for EPLL on training photographs. "
        f"Medians: EPLL: {np.median(epll):.2f} s; {'; '.join(costs)}. The means first, over images "
        "that all have restored.",
        *parts,
    ]


def paper(known: Mapping[str, Values]) -> list[str]:
    """The paper's own networks and settings, on a crop each."""
    lines = []
    rows: list[Row] = []
    labels = {
        "denoise F16_GT slim": "slim",
        "denoise F16_GT paper 0": "the paper's (`denoising`)",
        "denoise F16_GT paper 1": "the paper's, second seed",
        "denoise F16_GT paper twice": "mean of the averages of both",
        "denoise F16_GT slim twice": "slim, mean of two seeds",
        "denoise F16_GT deep-decoder": "deep decoder",
        "denoise F16_GT sgld": "slim, Langevin dynamics",
        **{f"denoise F16_GT of {n}": f"{n} channels, 5 levels" for n in ("16", "32", "64")},
    }
    for key, label in labels.items():
        if key in known:
            one = known[key]
            flops = {"Mflop": one["flops"] / 65536e6} if "flops" in one else {}
            rows.append({"network": label, **one, **flops})
    if rows:
        columns = {"network": "", "parameters": ".0f", "Mflop": ".2f", "output": ".2f"}
        columns |= {"average": ".2f", "best": ".2f", "best at": ".0f", "seconds": ".0f"}
        lines += [
            "## Networks, on `F16_GT` at sigma 25",
            "`output` is the last image, `average` the exponential average at the end; Mflop are "
            "those of an iteration and pixel. Published for nine whole images: "
            + " / ".join(f"{dB:.2f} ({name})" for name, dB in PUBLISHED.items())
            + f". EPLL on this crop: {known['denoise F16_GT epll']['psnr']:.2f}.",
            table(rows, columns),
        ]
    return lines


def stops(known: Mapping[str, Values]) -> list[str]:
    """What each rule loses to the best average of its run."""
    rows: list[Row] = []
    for task, title in TITLES.items():
        found = [known[k] for n in TASKS[task] if (k := f"{task} {n} slim") in known]
        for rule in ("discrepancy", "variance", "average"):
            if not found or (rule == "discrepancy" and task not in WHITE):
                continue
            ends = {rule: "average", f"{rule} at": "iterations"}  # of a run that it did not stop
            runs = [{own: one.get(own, one[end]) for own, end in ends.items()} for one in found]
            losses = [one["best"] - run[rule] for one, run in zip(found, runs, strict=True)]
            rows.append(
                {
                    "task": title,
                    "rule": {"average": "all iterations"}.get(rule, rule),
                    "images": len(runs),
                    "stopped": sum(rule in one for one in found) if rule == "discrepancy" else None,
                    "PSNR": mean(runs, rule),
                    "loss": float(np.mean(losses)),
                    "largest loss": max(losses),
                    "iteration": mean(runs, f"{rule} at"),
                }
            )
    if not rows:
        return []
    columns = {"task": "", "rule": "", "images": "d", "stopped": "d"}
    columns |= {"PSNR": ".2f", "loss": ".2f"}
    columns |= {"largest loss": ".2f", "iteration": ".0f"}
    return [
        "## When to stop",
        "PSNR of the averaged image that each rule returns, and what it loses to the best average "
        "of the same run: mean and largest over the images. *stopped*: in how many of the runs the "
        "residual fell to the noise; the others went on to their last iteration. "
        '`stop="auto"` is "discrepancy" where sigma is known, "variance" where it is not, and all '
        "iterations where it is 0.",
        table(rows, columns),
    ]


def presets(known: Mapping[str, Values]) -> list[str]:
    """Parameters, flops, seconds and memory of each preset."""
    rows = [
        {
            "preset": f"`{key.removeprefix('cost ')}`",
            "parameters": one["parameters"],
            "kflop/pixel": one["flops"] / 65536 / 1e3,
            "s, float32": one["seconds float32"],
            "s, bfloat16": one["seconds bfloat16"],
            "GB": one["bytes float32"] / 1e9,
            "GB told": one["told"] / 1e9,
        }
        for key, one in known.items()
        if key.startswith("cost ")
    ]
    if not rows:
        return []
    columns = {"preset": "", "parameters": ".0f", "kflop/pixel": ".0f", "s, float32": ".2f"}
    columns |= {"s, bfloat16": ".2f", "GB": ".2f", "GB told": ".2f"}
    return [
        "## Presets",
        "For 256×256 in colour: flops of an iteration and pixel, seconds of an iteration on two "
        "threads, memory of the process at its peak, and what the call foretells.",
        table(rows, columns),
    ]


def spectral_bias(study: Study, known: Mapping[str, Values]) -> list[str]:
    """Figure 2 of the paper."""
    found = {key.removeprefix("bias "): one for key, one in known.items() if "bias " in key}
    if not found:
        return []
    drawn, axis = canvas(size=(6.2, 3.6))
    rows: list[Row] = []
    for target, one in found.items():
        steps = [int(key.split()[1]) for key in one]
        losses = [*one.values()]
        axis.loglog(steps, losses, label=target)
        reached = {
            f"{level:g}": next(
                (s for s, v in zip(steps, losses, strict=True) if v <= level), f"> {max(steps)}"
            )
            for level in (0.03, 0.01, 0.003)
        }
        rows.append({"target": target, **reached})
    axis.set(xlabel="iteration", ylabel="mean square residual")
    axis.legend()
    text = "The fit to an image, to it with noise of 25/255, to its pixels shuffled, to noise."
    return [
        "## Why it works",
        "Iterations until the mean square residual is below a level, of fits to the crop of "
        "`F16_GT`, to it with noise, to its pixels in random order, and to uniform noise: "
        "structure is taken up sooner.",
        table(rows, {"target": "", "0.03": "", "0.01": "", "0.003": ""}),
        study.figure("bias", drawn, text),
    ]


def pictures(study: Study, known: Mapping[str, Values]) -> list[str]:
    """What each makes of holes and of noise; drawn from the images of this machine."""
    folder, parts = study.work / "dip", []
    path = study.pages / f"{study.name}-holes.png"
    caption = "Text and large holes. From left: what is known; {}."
    words = {"epll": "EPLL", "slim": "DIP", "slim+epll": "DIP + EPLL", "paper": "the paper's"}
    files = {(n, m): folder / f"hole {n} {m}.npz" for n in HOLES for m in words}
    shown = [m for m in words if all(files[n, m].exists() for n in HOLES)]
    if shown:
        drawn, axes = canvas(len(HOLES), 1 + len(shown), size=(2.3 * (1 + len(shown)), 7.2))
        for line, name in zip(axes, HOLES, strict=True):
            images = [paper_mask(name).y, *(load(files[name, m]) for m in shown)]
            for axis, image in zip(line, images, strict=True):
                axis.imshow(np.clip(image, 0, 1))
                axis.set_axis_off()
        told = caption.format(", ".join(words[m] for m in shown))
        parts.append(study.figure("holes", drawn, told))
    elif path.exists():
        parts.append(f"![Text and large holes]({path.name})\n\n*{caption.format('restored')}*")
    rows = [
        {
            "image": key.split()[1],
            "method": key.split()[2],
            "PSNR": one.get("psnr", one.get("average")),
        }
        for key, one in known.items()
        if key.startswith("enlarge-8")
        or key.startswith("inpaint barbara")
        or (key.startswith("hole ") and key.endswith("paper"))
    ]
    if rows or parts:
        parts = ["## The paper's networks in holes, ×8, and `barbara`", *parts]
        if rows:
            parts.append(table(rows, {"image": "", "method": "", "PSNR": ".2f"}))
    return parts


def load(path: Path) -> Any:
    """An image that a cell has left, None without."""
    return np.load(path)["image"].astype(np.float64) if path.exists() else None
