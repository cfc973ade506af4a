"""Check what a pure-Python wheel (the argument) holds, and what it must not hold."""

import sys
from pathlib import Path
from zipfile import ZipFile

names = set(ZipFile(sys.argv[1]).namelist())
kinds = (".html", ".json", ".license", ".png", ".py", ".pyi", ".typed")
tracked = {p.as_posix() for p in Path("fastepll").rglob("*") if p.suffix in kinds}
folders = (Path("fastepll/models", name) for name in ("weights", "diffusions"))
weights = {p.as_posix() for folder in folders for p in folder.iterdir()}
expected = tracked | weights
metadata = {name for name in names if name.startswith("fastepll-")}
assert expected == names - metadata, expected ^ (names - metadata)
assert any(name.endswith("LICENSE") for name in metadata), metadata
models = [name for name in weights if name.endswith(".npz")]
print(f"{sys.argv[1].rsplit('/')[-1]}: {len(names)} files, {len(models)} models")
