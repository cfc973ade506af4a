"""The table of peers: quality and time, interleaved in one process."""

from __future__ import annotations

from typing import Any

from versions import in_words

from .denoising import QUALITIES
from .markdown import digits, duration, result, table


def of_peers() -> dict[str, dict[float, dict[str, Any]]]:
    """Rows with most threads, by method and sigma."""
    rows = result("pareto")["rows"]
    threads = max(row["threads"] for row in rows)
    by_method: dict[str, dict[float, dict[str, Any]]] = {}
    for row in rows:
        if row["threads"] == threads:
            by_method.setdefault(row["method"], {})[row["sigma"]] = row
    return by_method


def pareto() -> str:
    """Quality and time of every level and peer, with two threads."""
    figures, by_method = result("pareto"), of_peers()
    measured = [row for at in by_method.values() for row in at.values()]
    threads = measured[0]["threads"]
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
        table(header, rows)
        + f"\n\nMean PSNR in dB over the first {most} images of `bsd68`, in brackets beside exact "
        + "EPLL on the same images; median time at sigma 25 and median ratio"
        + (f"; \\* on the first {max(few)} alone" if few else "")
        + f". {threads} threads, {in_words(machine)}; one interleaved run. "
        + f"Peers: {', '.join(packages)}. Command: "
        + f"`python bench/pareto.py --images {most} --slow {max(few, default=most)} "
        + f"--threads {threads}`."
    )


def headline() -> str:
    """The three numbers of the README: time, beside EPLL elsewhere, beside a network."""
    figures, at = result("pareto"), {name: of[25] for name, of in of_peers().items()}
    ours, theirs, network = at["balanced"], at["EPLL, deepinv"], at["FFDNet, torch"]

    def beside_exact(row: dict[str, Any]) -> str:
        difference = round(row["psnr"] - row["psnr of exact"], 2) + 0.0  # no -0.00
        return f"{difference:+.2f} dB".replace("-", "−")

    machine = in_words(figures["machine"])
    rows = [
        [label, duration(row["seconds"]), f"{digits(row['time / balanced'])}×", beside_exact(row)]
        for label, row in (
            ("**fastepll, `balanced`**", ours),
            ("fastepll, `exact`: the published method", at["exact"]),
            ("EPLL of deepinv, the same prior", theirs),
            ("FFDNet, a network", network),
        )
    ]
    return (
        table(["", "time", "time / `balanced`", "PSNR beside `exact`"], rows)
        + f"\n\n481×321 pixels, sigma 25, {ours['threads']} threads, {machine}; "
        + f"first {ours['images']} images of `bsd68`, deepinv on the first {theirs['images']}. "
        + f"`python bench/pareto.py --images {ours['images']} --slow {theirs['images']} "
        + f"--threads {ours['threads']}`"
    )
