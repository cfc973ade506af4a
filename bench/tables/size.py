"""The tables of images and mixtures of all sizes, and of the rates of the kernels."""

from __future__ import annotations

from versions import in_words

from .markdown import digits, duration, result, table


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
