"""Kernels of different instruction sets must not mix: what their objects export."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2]
TOOLS = ["cmake", "ninja", "nm", "c++"]


@pytest.mark.skipif(sys.platform != "linux", reason="reads ELF objects")
@pytest.mark.skipif(not all(map(shutil.which, TOOLS)), reason=f"needs {', '.join(TOOLS)}")
def test_each_level_exports_its_table_only(tmp_path):
    def call(*command: str | Path) -> str:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    call("cmake", "-S", SOURCE, "-B", tmp_path, "-G", "Ninja")
    call("cmake", "--build", tmp_path, "--target", "core")
    objects = {p.parts[-4].removesuffix(".dir"): p for p in tmp_path.rglob("table.cpp.o")}
    assert "kernels_baseline" in objects
    for name, path in objects.items():
        symbols = [line.split()[-2:] for line in call("nm", path).splitlines()]
        shared = [symbol for symbol in symbols if not symbol[0].islower() and symbol[0] != "U"]
        isa = name.removeprefix("kernels_")
        assert shared == [["D", f"_ZN8fastepll{len(isa)}{isa}5tableE"]]
        assert not [symbol for symbol in symbols if symbol[0] in "vVwWu"]
