"""Tables and lists of the report."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence

Leaf = tuple[str, str]
"""A dotted name and its value, as text."""


def table(
    rows: Iterable[Sequence[str]], head: Sequence[str] = (), last: str = "n", room: str = "wide"
) -> str:
    """An HTML table that scrolls by itself where it is wider than the page.

    Parameters
    ----------
    rows : iterable of sequence of str
        The first column holds names, the others values.
    head : sequence of str
    last : str
        Class of each row's last cell: ``n`` right-aligned like the values before it, ``v`` text
        that may wrap, ``m`` a meaning.
    room : str
        Class of what it scrolls in; with ``told`` in it each row is a paragraph on a phone.
    """
    out = [f'<div class="{room}"><table>']
    if head:
        titles = "".join(f"<th>{html.escape(h)}</th>" for h in head)
        out.append(f"<thead><tr>{titles}</tr></thead>")
    out.append("<tbody>")
    for name, *cells in rows:
        kinds = ["n"] * (len(cells) - 1) + [last]
        values = "".join(
            f'<td class="{kind}">{html.escape(c)}</td>'
            for kind, c in zip(kinds, cells, strict=False)
        )
        out.append(f"<tr><td>{html.escape(name)}</td>{values}</tr>")
    return "\n".join([*out, "</tbody></table></div>"])


def bullets(items: Iterable[str]) -> str:
    """An HTML list."""
    return "<ul>" + "".join(f"<li>{html.escape(item)}</li>" for item in items) + "</ul>"


def leaves(tree: object, name: str = "") -> list[Leaf]:
    """Leaves of nested mappings, by dotted name; lists on one line."""
    if isinstance(tree, Mapping):
        return [
            leaf for k, v in tree.items() for leaf in leaves(v, f"{name}.{k}" if name else str(k))
        ]
    return [(name, value_text(tree))]


def value_text(value: object) -> str:
    """A value as a person reads it."""
    if value is None:
        return "not known"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {value_text(v)}" for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(value_text(v) for v in value)
    return str(value)
