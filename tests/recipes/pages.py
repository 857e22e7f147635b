"""What tests ask of pages and folders that recipes make."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from typing import Self


class Tags(HTMLParser):
    """Every address in a page, the tags that stay open, and the words between them."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.open: list[str] = []
        self.words: list[str] = []

    @classmethod
    def of(cls, page: Path) -> Self:
        """The tags of a page."""
        tags = cls()
        tags.feed(page.read_text(encoding="utf-8"))
        return tags

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "path", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag != "path":
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self.open):
            self.words.append(data)

    @property
    def text(self) -> str:
        """All words, as they follow one another."""
        return " ".join(" ".join(self.words).split())


def contents(folder: Path) -> dict[str, bytes]:
    """All files below a folder by name."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
