"""Names and positional arguments of older versions, which are told and still understood."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, ParamSpec, TypeVar

from fastepll._warnings import warn

P = ParamSpec("P")
R = TypeVar("R")
C = TypeVar("C")

MOVED = {
    "fastepll.anscombe": ("fastepll.restoration.poisson",),
    "fastepll.color": ("fastepll.images.channels", "fastepll.images.cosines"),
    "fastepll.denoiser": ("fastepll.restoration.denoiser",),
    "fastepll.denoising": ("fastepll.restoration.denoise",),
    "fastepll.epll": ("fastepll.solver.half_quadratic", "fastepll.solver.multiscale"),
    "fastepll.inverse": ("fastepll.restoration.restore",),
    "fastepll.measured": ("fastepll.restoration.measurement",),
    "fastepll.mosaic": ("fastepll.restoration.mosaic",),
    "fastepll.priors.adapted": ("fastepll.models.adapted",),
    "fastepll.priors.gradient": ("fastepll.models.gradient",),
    "fastepll.scales": ("fastepll.backends.scales",),
    "fastepll.schedule": ("fastepll.solver.restore_schedule",),
    "fastepll.settings": (
        "fastepll.solver.settings",
        "fastepll.solver.denoise_schedule",
        "fastepll.backends.passes",
    ),
    "fastepll.stacks": ("fastepll.images.batch",),
    "fastepll.tasks": ("fastepll.restoration.tasks",),
    "fastepll.uneven": ("fastepll.solver.noise_map",),
}
"""Modules of version 0.1 by what they are now; they go with version 0.3."""


class MovedModules(MetaPathFinder, Loader):
    """Imports a module by its old name, and warns of it."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Know the names of `MOVED` alone."""
        return ModuleSpec(fullname, self) if fullname in MOVED else None

    def exec_module(self, module: ModuleType) -> None:
        """Fill it with what its successors have."""
        places = MOVED[module.__name__]
        warn(f"{module.__name__} has moved to {' and '.join(places)}", DeprecationWarning)
        for place in reversed(places):
            found = vars(importlib.import_module(place))
            vars(module).update({k: v for k, v in found.items() if not k.startswith("__")})


def import_moved_modules() -> None:
    """From now on the old names of modules can be imported."""
    sys.meta_path.append(MovedModules())


def history_as_callback(function: Callable[P, R]) -> Callable[P, R]:
    """Let `fastepll.restore` fill a list ``history`` with what its callback gets."""

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        given: dict[str, Any] = dict(kwargs)
        history, callback = given.pop("history", None), given.get("callback")
        if history is None:
            return function(*args, **kwargs)
        warn("history is deprecated: callback=history.append does the same", DeprecationWarning)

        def both(state: Any) -> Any:
            history.append(state)
            return callback(state) if callback is not None else None

        moved: Callable[..., R] = function
        return moved(*args, **{**given, "callback": both})

    call.older_keywords = {"history": "callback"}  # type: ignore[attr-defined]
    return call


def older_order(
    *names: str, when: Callable[[tuple[Any, ...]], bool], now: str
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let a function be called by position as it once was.

    Parameters
    ----------
    *names : str
        What the positional arguments were.
    when : callable
        Tells positional arguments that are meant in that order.
    now : str
        How to call it, for the DeprecationWarning.
    """

    def wrap(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            given = dict(zip(names, args, strict=False))
            if len(args) > len(names) or not when(args) or given.keys() & kwargs.keys():
                return function(*args, **kwargs)
            warn(f"this order of positional arguments is deprecated: {now}", DeprecationWarning)
            moved: Callable[..., R] = function
            return moved(**given, **kwargs)

        return call

    return wrap


def older_keywords(older: Mapping[str, str]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let a function take keywords by the names they once had, older to present."""

    def wrap(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            given: dict[str, Any] = dict(kwargs)
            for name in older:
                if name in given:
                    if older[name] in given:
                        raise TypeError(f"{name} is now called {older[name]}, got both")
                    given[present(name, older)] = given.pop(name)
            moved: Callable[..., R] = function
            return moved(*args, **given)

        call.older_keywords = dict(older)  # type: ignore[attr-defined]
        return call

    return wrap


def older_fields(older: Mapping[str, str]) -> Callable[[type[C]], type[C]]:
    """Let a dataclass have fields by the names they once had, older to present."""

    def attribute(name: str) -> property:
        return property(
            lambda self: getattr(self, present(name, older)), doc=f"Older name of {older[name]}."
        )

    def change(cls: type[C]) -> type[C]:
        type.__setattr__(cls, "__init__", older_keywords(older)(vars(cls)["__init__"]))
        for name in older:
            type.__setattr__(cls, name, attribute(name))
        return cls

    return change


def present(name: str, older: Mapping[str, str]) -> str:
    """What is called so now; warns."""
    warn(f"{name} is now called {older[name]}", DeprecationWarning)
    return older[name]
