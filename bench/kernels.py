"""Rates of the kernels beside the machine's multiply-add peak: ``python bench/kernels.py``.

Builds ``bench/native/kernels_bench.cpp`` with CMake (the compiler of the package, no Python in it)
and writes what it prints. Every figure is the best of seven rounds.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path

from protocol import write_result

ROOT = Path(__file__).parents[1]


def main() -> None:
    """Build, run, write."""
    with tempfile.TemporaryDirectory() as folder:
        options = ["-DFASTEPLL_BENCH=ON", "-DCMAKE_BUILD_TYPE=Release"]
        subprocess.run(["cmake", "-S", ROOT, "-B", folder, *options], check=True)
        subprocess.run(
            ["cmake", "--build", folder, "--target", "kernels_bench", "-j", "2"], check=True
        )
        lines = subprocess.check_output([Path(folder) / "kernels_bench"], text=True).splitlines()
    rows = [json.loads(line) for line in lines]
    peaks = {row["threads"]: row["GF/s"] for row in rows if row["kernel"] == "peak"}
    for row in rows:
        if row["kernel"] != "peak":
            row["fraction of peak"] = round(row["GF/s"] / peaks[row["threads"]], 3)
        print(row)
    write_result("kernels", {"peak GF/s": peaks, "rows": rows})


if __name__ == "__main__":
    main()
