"""Instructions that small fixed calls execute, against committed counts: a regression check.

    python bench/instructions.py              # fails if a count rose by more than 3 %
    python bench/instructions.py --update     # writes results/instructions.json

Counts come from valgrind where it is installed (Debian: ``apt-get install valgrind``), else from
``perf stat`` where the machine lets it count. Unlike times they barely depend on what else a
machine does; they do on the tool, the instruction set and, a little, the compiler. A count is the
difference between two processes, of which one makes a call more, so that starting Python is no
part of it: "prepare" is the first call of every level less a second one. A count that fell by more
than 3 % is good news, which --update makes the new mark.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
from typing import Any

from protocol import RESULTS

COUNTS = RESULTS / "instructions.json"
TOLERANCE = 0.03
SIDES = {"exact": 24, "balanced": 64, "preview": 96}  # of the images, so that each takes seconds

TOOLS = {
    "valgrind": (
        ["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"],
        r"I\s+refs:\s+([\d,]+)",
    ),
    "perf": (["stat", "-x;", "-e", "instructions:u"], r"(?m)^(\d+);.*instructions"),
}

CHILD = """
import sys
import numpy as np, fastepll
for case in sys.argv[1:]:
    quality, side, calls = case.split(":")
    side = int(side)
    noise = np.random.default_rng(0).standard_normal((side, side))
    image = (np.add.outer(np.arange(side), np.arange(side)) % 24 > 11) * 0.5 + 0.1 * noise
    for _ in range(int(calls)):
        fastepll.denoise(image, 0.1, quality=quality, n_threads=1)
"""


def count(tool: str, command: list[str], **env: str) -> int:
    """Instructions of a process; RuntimeError if the tool cannot count them."""
    options, pattern = TOOLS[tool]
    try:
        done = subprocess.run(
            [tool, *options, *command],
            check=False,
            capture_output=True,
            text=True,
            env=os.environ | env,
        )
    except FileNotFoundError:
        raise RuntimeError(f"{tool} is not installed") from None
    found = re.search(pattern, done.stderr)
    if done.returncode or not found:
        raise RuntimeError(f"{tool} counts nothing: {done.stderr.strip()[-500:]}")
    return int(found[1].replace(",", ""))


def find_tool() -> str | None:
    """The first tool that can count."""
    for tool in TOOLS:
        try:
            count(tool, ["true"])
            return tool
        except RuntimeError as error:
            print(error)
    return None


def measure(tool: str, isa: str) -> dict[str, int]:
    """Instructions of a later call of each quality, and of what the first ones do besides."""
    fixed = {"PYTHONHASHSEED": "0", "OPENBLAS_NUM_THREADS": "1", "FASTEPLL_SIMD": isa}

    def run(**calls: int) -> int:
        cases = [f"{quality}:{SIDES[quality]}:{n}" for quality, n in calls.items()]
        return count(tool, [sys.executable, "-c", CHILD, *cases], **fixed)

    once = dict.fromkeys(SIDES, 1)
    nothing, first = run(), run(**once)
    later = {quality: run(**once | {quality: 2}) - first for quality in SIDES}
    return later | {"prepare": first - nothing - sum(later.values())}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--update", action="store_true", help="make these counts the committed ones"
    )
    parser.add_argument("--optional", action="store_true", help="succeed where nothing can count")
    args = parser.parse_args()
    tool = find_tool()
    if tool is None:
        print("not checked: neither valgrind nor perf can count instructions here")
        return 0 if args.optional else 2
    import fastepll

    isa = fastepll.show_config("dict")["simd"]["in use"]
    isa = "avx2" if isa == "avx512" else isa  # valgrind knows no more
    key = f"{tool}, {platform.machine()}, {isa}"
    stored: dict[str, Any] = json.loads(COUNTS.read_text()) if COUNTS.exists() else {}
    counts = measure(tool, isa)
    if args.update:
        COUNTS.write_text(json.dumps(stored | {key: counts}, indent=1) + "\n")
    if key not in stored and not args.update:
        print(f"not checked: no counts are committed for {key}; here {counts}")
        return 0 if args.optional else 2
    before, worse = stored.get(key, counts), False
    for name, number in counts.items():
        change = number / before[name] - 1
        worse |= change > TOLERANCE
        print(f"{name:10}{number:15,}{100 * change:+8.2f} %")
    return int(worse and not args.update)


if __name__ == "__main__":
    sys.exit(main())
