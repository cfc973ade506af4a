"""Which fastepll this is: its version, and an error where a source tree hides the installed one."""

from pathlib import Path

__version__ = "0.1.0"


def refuse_to_hide_a_core() -> None:
    """Raise ImportError if this package has no core and hides an installed one that has.

    That is what Python started in a checkout makes of ``pip install .``: it finds the sources
    first. Nothing is refused where no core was built anywhere, or where one is there but does not
    load.
    """
    import sys

    if "fastepll._core" in sys.modules:  # or blocked, as None
        return
    from importlib.metadata import PackageNotFoundError, files
    from importlib.util import find_spec

    if find_spec("fastepll._core") is not None:
        return
    try:
        installed = [Path(str(path.locate())) for path in files("fastepll") or []]
    except PackageNotFoundError:
        return
    cores = [path for path in installed if path.name.startswith("_core.") and path.is_file()]
    hidden = [path.parent for path in cores if path.suffix in {".so", ".pyd"}]
    if hidden:
        raise ImportError(
            f"{Path(__file__).parent} has no compiled core and hides the fastepll installed in "
            f"{hidden[0]}, which has one: start Python in another folder to use that one, or build "
            "the core of these sources with pip install -e ."
        )
