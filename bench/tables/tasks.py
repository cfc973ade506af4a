"""The tables of the other restoration tasks."""

from __future__ import annotations

from versions import in_words

from .markdown import duration, result, table


def tasks() -> str:
    """PSNR of the restoration tasks, beside the best setting of every peer."""
    figures, rows = result("tasks")["rows"], []
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


def turns() -> str:
    """What the steps of "learned" would gain in other tasks."""
    figures = result("plug_and_play")
    rows = [
        [row["task"]]
        + [f"{row[way]:.2f} dB" for way in ("high", "high, turns", "learned, turns")]
        + [duration(row[way]) for way in ("seconds", "seconds of turns")]
        for row in figures["tasks"]
    ]
    levels = ", ".join(map(str, figures["levels"]))
    gains = [row["learned"] - row["high"] for row in figures["noise"]]
    sigmas = [row["sigma"] for row in figures["noise"]]
    return (
        table(["task", "`high`", "then by `high`", "then by `learned`", "time", "of turns"], rows)
        + f"\n\nFirst {figures['images']} images of `bsd68`; turns at noise of {levels} of 255, "
        + "the best of three weights for all; no noise but with blur (2.55) and vignetting (2). "
        + f"Of white noise `learned` restores {min(gains):.2f} to {max(gains):.2f} dB more than "
        + f"`high`, from sigma {min(sigmas)} to {max(sigmas)}. {figures['threads']} thread(s), "
        + f"{in_words(figures['machine'])}. Command: `python bench/plug_and_play.py`."
    )
