"""What volumes gain over their slices."""

from __future__ import annotations

import statistics

from versions import in_words

from .markdown import result, table


def volumes() -> str:
    """Decibels of each way by volume and noise, and its time."""
    figures = result("volumes")
    rows = figures["rows"]
    ways = [way for way in rows[0] if isinstance(rows[0][way], dict)]
    heads = [f"`{row['volume']}`, {row['sigma']}" for row in rows]
    lines = []
    for way in ways:
        seconds = statistics.median(row[way]["seconds"] for row in rows)
        lines.append([way, *(f"{row[way]['dB']:.2f}" for row in rows), f"{seconds:.2g} s"])
    sides = "; ".join(f"`{row['volume']}` {'×'.join(map(str, row['shape']))}" for row in rows[::3])
    return (
        table(["", *heads, "time"], lines)
        + f"\n\nPSNR in dB by volume and sigma; {sides} (`bench/phantoms.py`). *adapted*: by a "
        + "prior of the volume, whose time counts. Of total variation and non-local means of "
        + "scikit-image the best of four constants in each case. Median times, "
        + f"{figures['threads']} threads (BM4D: its own; scikit-image: one). "
        + f"{in_words(figures['machine'])}. Command: `python bench/volumes.py`."
    )
