"""The public names of fastepll with their signatures, as text; run it to write the listing anew."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Iterator, Mapping
from functools import reduce
from pathlib import Path
from typing import Any

LISTING = Path(__file__).with_name("public_api.txt")
ROOMS = [
    "",
    ".dask",
    ".deepinv",
    ".generative",
    ".models",
    ".neural",
    ".operators",
    ".priors",
    ".torch",
    ".train",
]  # their __all__
DOCUMENTED = {  # public elsewhere
    ".backends": ["Backend", "get_backend", "why_not"],
    ".priors.dead_leaves": ["dead_leaves", "dead_leaves_patches"],
    ".priors.map_iteration": ["iterate_map", "log_posterior"],
    ".priors.torch_density": ["TorchDensity"],
    ".typing": ["BackendName", "DataRange", "FloatArray", "Quality"],
}


def modules(package: Path) -> Iterator[str]:
    """Modules that users could have imported.

    Not those of the command line, whose commands are public, and none that a function hides, which
    has the same name.
    """
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package.parent).with_suffix("").parts
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        if not any(part.startswith("_") or part == "cli" for part in parts):
            module = importlib.import_module(".".join(parts))
            if reduce(getattr, parts[1:], importlib.import_module(parts[0])) is module:
                yield module.__name__


def lines_of(name: str, thing: Any) -> Iterator[str]:
    """A public name, and what a class has under it."""
    if not (inspect.isclass(thing) or inspect.isroutine(thing)):
        yield name
        return
    yield name + signature_of(thing)
    for member in dir(thing) if inspect.isclass(thing) else ():
        if member.startswith("_") and member != "__call__":
            continue
        owner = next(base for base in thing.__mro__ if member in vars(base))
        if owner.__module__.startswith("fastepll"):
            value = getattr(thing, member)
            yield f"{name}.{member}" + (signature_of(value) if callable(value) else "")


def signature_of(thing: Any) -> str:
    """Names, kinds and defaults of the parameters; ``...`` for a default that is no literal."""
    signature = inspect.signature(thing)
    bare = [
        p.replace(annotation=p.empty, default=p.default if is_literal(p.default) else ...)
        if p.default is not p.empty
        else p.replace(annotation=p.empty)
        for p in signature.parameters.values()
    ]
    text = str(signature.replace(parameters=bare, return_annotation=signature.empty))
    return text.replace("=Ellipsis", "=...")


def is_literal(value: Any) -> bool:
    """Whether its text is Python for it."""
    try:
        return bool(ast.literal_eval(repr(value)) == value)
    except (SyntaxError, ValueError):
        return False


def parsed(signature: str) -> inspect.Signature:
    """The signature that `signature_of` wrote."""
    return inspect.signature(eval(f"lambda {signature[1:-1]}: None"))


def older_keywords(thing: Any) -> dict[str, str]:
    """Keywords that are still understood, by what they are called now."""
    function = thing.__init__ if inspect.isclass(thing) else thing
    found: dict[str, str] = getattr(function, "older_keywords", {})
    return found


def incompatible(old: str, new: str, older: Mapping[str, str] | None = None) -> str | None:
    """What a call that the old signature took can no longer do with the new one."""
    was, now = parsed(old).parameters, parsed(new).parameters
    older = older or {}
    old_order, new_order = (
        [p.name for p in side.values() if p.kind <= p.POSITIONAL_OR_KEYWORD] for side in (was, now)
    )
    if new_order[: len(old_order)] != [older.get(name, name) for name in old_order]:
        return f"positional parameters were {old_order}"
    for given, p in was.items():
        name = older.get(given, given)
        if name not in now:
            return f"{given} is gone"
        if p.default is not p.empty and now[name].default != p.default:
            return f"{given} was {p.default!r} by default"
        if p.kind > p.POSITIONAL_ONLY and now[name].kind == p.POSITIONAL_ONLY:
            return f"{given} is no longer a keyword"
    kept = {older.get(name, name) for name in was}
    needed = [
        name
        for name, p in now.items()
        if p.default is p.empty and name not in kept and not str(p).startswith("*")
    ]
    return f"{needed} must be given" if needed else None


def read_listing() -> dict[str, dict[str, str]]:
    """Signature (or nothing) of each name under each heading."""
    found: dict[str, dict[str, str]] = {}
    for line in LISTING.read_text(encoding="utf-8").splitlines():
        if heading := re.fullmatch(r"\[(.+)\]", line):
            found[heading[1]] = names = {}
        elif line and not line.startswith("#"):
            name, bracket, rest = line.partition("(")
            names[name] = bracket + rest
    return found


def main() -> None:
    """Write the listing; whatever the rooms import has to be there."""
    package = importlib.import_module("fastepll")
    lines = [
        f"# The public names of {package.__version__}. Written by tests/public_api.py at a release."
    ]
    rooms = {room: None for room in ROOMS} | DOCUMENTED
    for room, names in rooms.items():
        module = importlib.import_module(f"fastepll{room}")
        lines += ["", f"[fastepll{room}]"]
        for name in sorted(names or module.__all__):
            thing = getattr(module, name)
            elsewhere = room and getattr(package, name, None) is thing
            lines += [name] if elsewhere else lines_of(name, thing)
    lines += ["", "[modules]", *modules(Path(package.__file__ or "").parent), ""]
    LISTING.write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
