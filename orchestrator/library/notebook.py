"""A result as a notebook shows it."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from msgen.orchestrator.reporting.html_report import figure_html, states_table
from msgen.orchestrator.reporting.plots import drawable, png, surface_figure

if TYPE_CHECKING:
    from msgen.orchestrator.library.result import Result
    from msgen.orchestrator.reporting.results import Result as Content

_DPI = 80.0


def page(result: Result, content: Content | None) -> str:
    """Status, free energies of the states, and the surface, as a piece of HTML."""
    title = str(result.run_dir) if content is None else content.header.campaign
    word = f"{result.status} — {html.escape(result.reason)}"
    parts = [f"<div><strong>{html.escape(title)}</strong>: {word}</div>"]
    if content is not None:
        parts.append(states_table(content))
        parts += [
            f"<div>no error is known: {html.escape(why)}</div>"
            for why in content.estimate.ungrounded
        ]
        if drawable(content.estimate):
            parts.append(figure_html("Free-energy surface", png(surface_figure(content), _DPI)))
    return "\n".join(parts)
