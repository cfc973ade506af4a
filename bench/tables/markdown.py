"""Markdown tables of figures."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parents[1] / "results"


def result(name: str) -> dict[str, Any]:
    """Figures of one benchmark."""
    figures: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text())
    return figures


def table(header: Sequence[object], rows: Sequence[Sequence[object]]) -> str:
    """Markdown table in which numbers and their units stay on one line."""
    lines = [header, ["---"] * len(header), *rows]
    text = "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)
    return re.sub(r"(?<=\d) (?=(?:ms|s|dB|MB)\b|%)", "\u00a0", text)


def digits(value: float) -> str:
    """Three significant digits, never with an exponent."""
    return f"{float(f'{value:.3g}'):.10g}"


def duration(seconds: float) -> str:
    """Three digits, in s or ms."""
    return f"{digits(seconds)} s" if seconds >= 1 else f"{digits(1e3 * seconds)} ms"
