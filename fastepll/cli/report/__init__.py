"""Pictures before and after, on a page of HTML."""

from fastepll.cli.report.page import MAX_CASES, SUFFIXES, Page, write_report
from fastepll.cli.report.section import Case

__all__ = ["MAX_CASES", "SUFFIXES", "Case", "Page", "write_report"]
