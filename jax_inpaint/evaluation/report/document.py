"""A document of headings, paragraphs, tables and pictures, as Markdown and as HTML."""

import base64
import html
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Heading:
    """A title; level 1 is the document's own."""

    text: str
    level: int = 2


@dataclass(frozen=True)
class Paragraph:
    """Plain text."""

    text: str


@dataclass(frozen=True)
class Listing:
    """Points, each with a term in bold before it."""

    items: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Table:
    """Cells of text, the first column's being titles of rows; ``best`` ones are shown in bold."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    best: frozenset[tuple[int, int]] = frozenset()


@dataclass(frozen=True)
class Image:
    """A picture as the bytes of a file, and where it lies beside the Markdown."""

    path: str
    data: bytes
    alt: str

    @property
    def media_type(self) -> str:
        """For HTML."""
        return {"svg": "image/svg+xml", "jpg": "image/jpeg"}[self.path.rpartition(".")[2]]


Block = Heading | Paragraph | Listing | Table | Image

_STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; color: #1b1b1b; margin: 2rem auto; max-width: 90rem;
       padding: 0 1rem; }
h1 { font-size: 1.7rem; } h2 { margin-top: 2.5rem; } h3 { margin-top: 1.8rem; }
p, ul { max-width: 48rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.85rem; font-variant-numeric: tabular-nums;
        margin: 0.8rem 0; }
th, td { padding: 0.2rem 0.5rem; text-align: right; white-space: nowrap; }
th { border-bottom: 2px solid #888; } td { border-bottom: 1px solid #ddd; }
th:first-child, td:first-child { text-align: left; }
tr:hover td { background: #f3f6fa; }
img { max-width: 100%; height: auto; }
"""


def to_markdown(blocks: Sequence[Block]) -> str:
    """GitHub's Markdown; pictures are links to their paths."""
    return "\n\n".join(_markdown(block) for block in blocks) + "\n"


def to_html(blocks: Sequence[Block], title: str) -> str:
    """One page that needs nothing else: pictures are within it."""
    body = "\n".join(_html(block) for block in blocks)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def _markdown(block: Block) -> str:
    match block:
        case Heading(text, level):
            return f"{'#' * level} {_escaped(text)}"
        case Paragraph(text):
            return _escaped(text)
        case Listing(items):
            return "\n".join(f"- **{_escaped(term)}**: {_escaped(text)}" for term, text in items)
        case Table(head, rows, best):
            align = [":--"] + ["--:"] * (len(head) - 1)
            lines = [[_escaped(cell, "|") for cell in head], align]
            for i, row in enumerate(rows):
                cells = [_escaped(cell, "|") for cell in row]
                lines.append([f"**{c}**" if (i, j) in best else c for j, c in enumerate(cells)])
            return "\n".join(f"| {' | '.join(line)} |" for line in lines)
        case Image(path, _, alt):
            return f"![{_escaped(alt, '[]')}]({path})"


def _escaped(text: str, more: str = "") -> str:
    """As it is to be read: names may hold what Markdown takes for its own."""
    return "".join(f"\\{letter}" if letter in f"<*`{more}" else letter for letter in text)


def _html(block: Block) -> str:
    match block:
        case Heading(text, level):
            return f"<h{level}>{html.escape(text)}</h{level}>"
        case Paragraph(text):
            return f"<p>{html.escape(text)}</p>"
        case Listing(items):
            points = (
                f"<li><b>{html.escape(term)}</b>: {html.escape(text)}</li>" for term, text in items
            )
            return f"<ul>{''.join(points)}</ul>"
        case Table(head, rows, best):
            top = "".join(f"<th>{html.escape(cell)}</th>" for cell in head)
            lines = []
            for i, row in enumerate(rows):
                cells = [html.escape(cell) for cell in row]
                marked = [f"<b>{c}</b>" if (i, j) in best else c for j, c in enumerate(cells)]
                lines.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in marked) + "</tr>")
            body = "\n".join(lines)
            return (
                f'<div class="wide"><table><thead><tr>{top}</tr></thead>\n'
                f"<tbody>{body}</tbody></table></div>"
            )
        case Image(_, data, alt):
            source = base64.b64encode(data).decode()
            return (
                f'<p class="wide"><img src="data:{block.media_type};base64,{source}" '
                f'alt="{html.escape(alt)}"></p>'
            )
