"""The frame of a page, and how it writes figures."""

from collections.abc import Iterable
from html import escape
from string import Template

from stratopt_server.pages.style import STYLE

NOT_DEFINED = "\N{EN DASH}"
_FRAME = Template(
    """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>$title</title>
<style>
"""
    + STYLE
    + """</style>
</head>
<body>
<main>
<header><h1>$title</h1><p>$subtitle</p></header>
$body
</main>
</body>
</html>
"""
)


def page(title: str, subtitle: str, parts: Iterable[str]) -> str:
    """Put a page together; title and subtitle are escaped here, the parts are HTML already."""
    return _FRAME.substitute(title=escape(title), subtitle=escape(subtitle), body="\n".join(parts))


def headline(figures: Iterable[tuple[str, str]]) -> str:
    """Figures that are seen first."""
    shown = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in figures)
    return f"<dl>{shown}</dl>"


def table(title: str, head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table under its title; cells are HTML already."""
    top = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    label = escape(title)
    return (
        f'<section><h2>{label}</h2><div class="scroll" tabindex="0" role="region" aria-label="{label}">'
        f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div></section>"
    )


def cell(text: str, kind: str = "") -> str:
    """A cell of text."""
    return f'<td class="{kind}">{escape(text)}</td>' if kind else f"<td>{escape(text)}</td>"


def paragraph(text: str) -> str:
    """A paragraph of text."""
    return f"<p>{escape(text)}</p>"


def percent(value: float | None) -> str:
    """Write a fraction as per cent."""
    return NOT_DEFINED if value is None else f"{value:.1%}"


def number(value: float | None) -> str:
    """Write a plain figure."""
    return NOT_DEFINED if value is None else f"{value:,.2f}"
