"""Check the links within the built site: ``python docs/links.py build/docs``."""

from __future__ import annotations

import sys
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """Where a page links to, and the names of its parts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.parts: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take what the tag has of either."""
        found = dict(attrs)
        self.links.update(link for key in ("href", "src") if (link := found.get(key)))
        self.parts.update(part for key in ("id", "name") if (part := found.get(key)))


@cache
def read(path: Path) -> Page:
    """Read a page once."""
    return Page(path.read_text(encoding="utf-8"))


def broken(page: Path) -> list[str]:
    """Links of a page that lead to no file, or to no part of one."""
    found = []
    for link in sorted(read(page).links):
        url = urlsplit(link)
        if url.scheme or url.netloc:
            continue
        target = (page.parent / unquote(url.path)).resolve() if url.path else page.resolve()
        target = target / "index.html" if target.is_dir() else target
        part = unquote(url.fragment)
        whole = target.is_file() and (
            not part or target.suffix != ".html" or part in read(target).parts
        )
        if not whole:
            found.append(link)
    return found


def main() -> int:
    """Print what is broken."""
    site = Path(sys.argv[1])
    pages = [page for page in sorted(site.rglob("*.html")) if "_static" not in page.parts]
    found = [(page, link) for page in pages for link in broken(page)]
    for page, link in found:
        print(f"{page.relative_to(site)}: {link}")
    print(f"{len(pages)} pages, {len(found)} broken links")
    return int(bool(found) or not pages)


if __name__ == "__main__":
    sys.exit(main())
