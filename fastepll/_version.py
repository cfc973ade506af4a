"""The version, read from the installed metadata so that it is written in one place only."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("fastepll")
except PackageNotFoundError:  # run from a source tree that was never installed
    __version__ = "0+unknown"
