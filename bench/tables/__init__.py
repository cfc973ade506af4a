"""The tables and figures of the documentation, each made of files in bench/results."""

from .markdown import RESULTS, digits, duration, result, table

__all__ = ["RESULTS", "digits", "duration", "result", "table"]
