"""The tables of how calls use threads."""

from __future__ import annotations

from versions import in_words

from .markdown import duration, result, table


def contention() -> str:
    """Two threads beside one, under load."""
    figures = result("contention")
    rows = []
    for row in figures["rows"]:
        times = [duration(row[f"{n} ms"] / 1e3) for n in ("1 thread", "2 threads")]
        ratios = [f"{row[f'2 / 1, {which}']:.2f}" for which in ("median", "least", "most")]
        rows.append([f"`{row['quality']}`", row["busy processes"], row["layer"], *times, *ratios])
    header = ["quality", "busy processes", "threads from", "1 thread", "2 threads"]
    return (
        table([*header, "2 / 1", "least", "most"], rows)
        + f"\n\n481×321; median, least and most of {figures['repetitions']} repetitions, each the "
        + "ratio of the median times of calls that take turns; 2 processors, "
        + f"{in_words(figures['machine'])}. Command: `python bench/contention.py`."
    )


def pieces() -> str:
    """How calls are cut for many threads."""
    figures = result("pieces")
    rows: dict[tuple[str, str], list[str]] = {}
    threads = list(dict.fromkeys(row["threads"] for row in figures["rows"]))
    for row in figures["rows"]:
        key = f"`{row['quality']}`", "×".join(map(str, reversed(row["shape"])))
        rows.setdefault(key, []).append(f"{row['loops']}, {row['pieces']}, {row['limit']}×")
    return (
        table(["quality", "image", *threads], [[*key, *cells] for key, cells in rows.items()])
        + "\n\nLoops over the threads in a call, pieces of work in them, and how many times as "
        + "fast as one so many threads could be at most, for 1 to 64 threads. "
        + "Command: `python bench/pieces.py`."
    )
