"""Where progress is shown: a live block on a terminal or in a notebook, lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.text import Text

from msgen.orchestrator.printable import make_printable


class Place(Protocol):
    """Takes what there is to see after a round, and the last words."""

    def show(self, block: Panel, line: str) -> None:
        """Show a round, which is told as a block and as a line."""

    def end(self, lines: Sequence[str]) -> None:
        """Show the last words, and leave the place as it was found."""


class Screen(Place, Protocol):
    """Takes what goes on between two rounds as well."""

    every_s: float
    """How often that is to be shown."""

    def beat(self, line: str) -> None:
        """Show what goes on."""


def screen_of(console: Console | None = None) -> Screen:
    """The screen that suits what `console` writes to; standard output by default.

    Standard output then bears whatever sign there is, see `printable`.
    """
    if console is None:
        make_printable(sys.stdout)
        console = Console(highlight=False, soft_wrap=True)
    if console.is_jupyter:
        return Notebook()
    return Terminal(console) if console.is_terminal else Lines(console)


class Lines:
    """One line a round, and one where nothing was said for long."""

    every_s = 8.0

    def __init__(self, console: Console) -> None:
        self._console = console

    def show(self, block: Panel, line: str) -> None:
        """Print the line."""
        self.beat(line)

    def beat(self, line: str) -> None:
        """Print the line."""
        self._console.print(Text(line), soft_wrap=True)

    def end(self, lines: Sequence[str]) -> None:
        """Print the lines."""
        for line in lines:
            self._console.print(Text(line), soft_wrap=True)


class Terminal(Lines):
    """A block that is drawn anew in its place, with a line below it for what goes on."""

    every_s = 1.0

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._live: Live | None = None
        self._block: Panel | None = None

    def show(self, block: Panel, line: str) -> None:
        """Redraw the block."""
        self._block = block
        self._draw(block)

    def beat(self, line: str) -> None:
        """Redraw the line below the block."""
        words = Text(line, style="dim", no_wrap=True, overflow="ellipsis")
        self._draw(words if self._block is None else Group(self._block, words))

    def _draw(self, what: RenderableType) -> None:
        if self._live is None:
            self._live = Live(what, console=self._console, auto_refresh=False)
            self._live.start()
        self._live.update(what, refresh=True)

    def end(self, lines: Sequence[str]) -> None:
        """Let go of the block and print the lines below it."""
        if self._live is not None:
            if self._block is not None:
                self._live.update(self._block, refresh=True)
            self._live.stop()
            self._live = None
        super().end(lines)


class Notebook:
    """A block that is replaced in the cell's output; rich's own needs ipywidgets for that."""

    every_s = 1.0

    def __init__(self) -> None:
        self._handle: Any = None
        self._block: Panel | None = None

    def show(self, block: Panel, line: str) -> None:
        """Replace the block."""
        self._block = block
        self._draw(block)

    def beat(self, line: str) -> None:
        """Replace the line below the block."""
        words = Text(line, style="dim")
        self._draw(words if self._block is None else Group(self._block, words))

    def _draw(self, what: RenderableType) -> None:
        if self._handle is None:
            self._handle = _display(what, display_id=True)
        else:
            self._handle.update(what)

    def end(self, lines: Sequence[str]) -> None:
        """Show the lines below the block."""
        if self._block is not None:
            self._draw(self._block)
        if lines:
            _display(Text("\n".join(lines)))


def _display(what: object, **options: object) -> Any:
    from IPython import display  # there is one where there is a notebook

    show: Callable[..., Any] = display.display
    return show(what, **options)
