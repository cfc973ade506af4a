"""What objects are to pickle, to copies and to Dask: what they were made of, not what they keep."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

T = TypeVar("T")
KEPT = "_kept"


class Portable:
    """Base of objects whose `kept` values are left behind.

    The same object gives the same pickle, and so the same hash in joblib, before and after it was
    used, and Dask the same token.
    """

    def __getstate__(self) -> dict[str, Any]:
        """Attributes but for what is kept."""
        return {name: value for name, value in vars(self).items() if name != KEPT}

    def __dask_tokenize__(self) -> Any:
        """What Dask makes a token of."""
        from dask.base import normalize_token

        return normalize_token((type(self), *self.__reduce_ex__(4)))


class kept(Generic[T]):
    """`functools.cached_property`, but that no assigned value is taken for a computed one."""

    def __init__(self, function: Callable[[Any], T]) -> None:
        self.function, self.__doc__ = function, function.__doc__

    @overload
    def __get__(self, instance: None, owner: type) -> kept[T]: ...

    @overload
    def __get__(self, instance: object, owner: type) -> T: ...

    def __get__(self, instance: object | None, owner: type) -> kept[T] | T:
        """The value, computed when it is first asked for."""
        if instance is None:
            return self
        values = vars(instance).setdefault(KEPT, {})
        if self.function not in values:
            values[self.function] = self.function(instance)
        found: T = values[self.function]
        return found
