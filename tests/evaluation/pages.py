"""Reading HTML pages strictly."""

import base64
import io
from collections import defaultdict
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
from PIL import Image

VOID = {"meta", "img", "br", "hr", "link", "input"}
OUTSIDE = {"href", "srcset", "action", "poster", "background"}


class Page(HTMLParser):
    """What a page holds.

    Attributes:
        problems: tags that don't nest, and whatever would be loaded or run.
        texts: of all elements by tag, in order of their ends.
        sources: pictures: pixels, or the root of an SVG.
    """

    def __init__(self) -> None:
        super().__init__()
        self.problems: list[str] = []
        self.texts: dict[str, list[str]] = defaultdict(list)
        self.sources: list[np.ndarray | ElementTree.Element] = []
        self._open: list[tuple[str, list[str]]] = []

    @classmethod
    def of(cls, text: str) -> "Page":
        page = cls()
        page.feed(text)
        page.close()
        page.problems += [f"<{tag}> isn't closed" for tag, _ in page._open]
        return page

    def handle_starttag(self, tag, attributes):
        if tag in ("script", "link", "iframe", "object", "base"):
            self.problems.append(f"<{tag}>")
        if tag not in VOID:
            self._open.append((tag, []))
        for name, value in attributes:
            if name in OUTSIDE or name.startswith("on"):
                self.problems.append(f"{name}={value}")
            elif name == "src":
                self._read(value)

    def _read(self, value):
        kind, _, data = value.partition(";base64,")
        content = base64.b64decode(data, validate=True)
        if kind == "data:image/svg+xml":
            self.sources.append(ElementTree.fromstring(content))
        elif kind == "data:image/jpeg":
            with Image.open(io.BytesIO(content)) as picture:
                self.sources.append(np.asarray(picture))
        else:
            self.problems.append(f"src={value[:40]}")

    def handle_endtag(self, tag):
        if not self._open or self._open[-1][0] != tag:
            self.problems.append(f"</{tag}> in {[tag for tag, _ in self._open]}")
            return
        self.texts[tag].append("".join(self._open.pop()[1]))

    def handle_data(self, data):
        for _, text in self._open:
            text.append(data)
        if self._open and self._open[-1][0] == "style" and ("url(" in data or "@import" in data):
            self.problems.append("style loads something")
