"""Names of states stay inside the axes of a surface's figure, and off its title and legend."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox
from reporting import DISTANCE, PHI, PSI, result

from msgen.orchestrator.base import StateEstimate
from msgen.orchestrator.reporting.history import HistoryPoint
from msgen.orchestrator.reporting.plot_history import history_figure
from msgen.orchestrator.reporting.plots import surface_figure
from msgen.orchestrator.reporting.results import CVInfo, Result

REGIONS = {"trans": {"phi": (2.0, -2.0)}, "plus": {"phi": (0.0, 2.0)}}


def with_states_at(cvs: tuple[CVInfo, ...], shares: dict[str, tuple[float, ...]]) -> Result:
    """States whose minima lie at these shares of each axis."""
    r = result(cvs, n=24)
    ends = [(a[0], a[-1]) for a in (r.estimate.axes[c.name] for c in cvs)]
    centres = {
        name: [low + one * (high - low) for one, (low, high) in zip(share, ends, strict=True)]
        for name, share in shares.items()
    }
    states = dict.fromkeys(shares, StateEstimate(0.0, 0.1))
    found = replace(r.estimate, states=states, diagnostics={"centres": centres})
    return replace(r, estimate=found)


def drawn(figure: Figure) -> tuple[Axes, list[Bbox]]:
    """The first axes, and the boxes of the names in them as they are drawn."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    ax = figure.axes[0]
    names = [one for one in ax.texts if isinstance(one, Annotation)]
    return ax, [one.get_tightbbox(canvas.get_renderer()) for one in names]


def outside(ax: Axes, boxes: list[Bbox]) -> list[Bbox]:
    """Boxes that leave the axes by more than their outline."""
    frame = ax.get_window_extent().padded(3.0)
    return [b for b in boxes if b.x0 < frame.x0 or b.x1 > frame.x1 or b.y0 < frame.y0
            or b.y1 > frame.y1]  # fmt: skip


CORNERS = {
    "in the corner" + str(k): at
    for k, at in enumerate(itertools.product((0.0, 0.49, 0.51, 1.0), repeat=2))
}


@pytest.mark.parametrize("cvs", [(PHI, PSI), (PHI, DISTANCE)])
def test_names_on_a_map_stay_inside(cvs: tuple[CVInfo, ...]) -> None:
    figure = surface_figure(with_states_at(cvs, CORNERS))
    ax, boxes = drawn(figure)
    assert len(boxes) == len(CORNERS)
    assert not outside(ax, boxes)
    for name in ax.texts:  # above each minimum, as they once were
        name.set_position((name.get_position()[0], abs(name.get_position()[1])))
        name.set_verticalalignment("bottom")
    assert outside(*drawn(figure))


@pytest.mark.parametrize("at", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_names_above_a_line_stay_inside(at: float) -> None:
    shown = with_states_at((PHI,), {"C7axial": (at,)})
    ax, boxes = drawn(surface_figure(shown))
    assert len(boxes) == 1
    assert not outside(ax, boxes)
    legend = ax.get_legend()
    assert legend is not None
    assert legend.get_window_extent().y0 >= ax.get_window_extent().y1 - 1


def test_a_region_across_the_seam_is_shaded_on_both_sides() -> None:
    r = with_states_at((PHI,), {"trans": (0.0,), "plus": (0.7,)})
    r = replace(r, header=replace(r.header, regions=REGIONS))
    ax = surface_figure(r).axes[0]
    spans = sorted(
        (round(float(p.get_x()), 1), round(float(p.get_x() + p.get_width()), 1)) for p in ax.patches
    )
    end = round(float(np.degrees(2.0)), 1)
    assert spans == [(-180.0, -end), (0.0, end), (end, 180.0)]


@pytest.mark.parametrize("target", [0.1, 0.02, 0.5])
def test_the_error_asked_for_is_named_inside_the_axes_and_errors_can_be_read(target: float) -> None:
    errors = (None, 0.08, 0.064, 0.055)
    history = [
        HistoryPoint(k, "produce", 10**6 * (k + 1), 1.0,
                     {"a": StateEstimate(0.0, 0.0), "b": StateEstimate(1.0, error)})
        for k, error in enumerate(errors)
    ]  # fmt: skip
    figure = history_figure(history, target)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    below = figure.axes[1]
    (word,) = [one for one in below.texts if isinstance(one, Annotation)]
    assert not outside(below, [word.get_tightbbox(canvas.get_renderer())])
    low, high = below.get_ylim()
    numbers = [t for t in below.yaxis.get_ticklocs() if low <= t <= high]
    assert len(numbers) >= 3
