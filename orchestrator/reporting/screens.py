"""Where progress is shown: a live block on a terminal or in a notebook, lines elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from rich.console import Console
from rich.live import Live
from rich.panel import Panel
from rich.text import Text


class Screen(Protocol):
    """Takes what there is to see after a round, and the last words."""

    def show(self, block: Panel, line: str) -> None:
        """Show a round, which is told as a block and as a line."""

    def end(self, lines: Sequence[str]) -> None:
        """Show the last words, and leave the place as it was found."""


def screen_of(console: Console) -> Screen:
    """The screen that suits what `console` writes to."""
    if console.is_jupyter:
        return Notebook()
    return Terminal(console) if console.is_terminal else Lines(console)


class Lines:
    """One line a round."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def show(self, block: Panel, line: str) -> None:
        """Print the line."""
        self._console.print(Text(line), soft_wrap=True)

    def end(self, lines: Sequence[str]) -> None:
        """Print the lines."""
        for line in lines:
            self._console.print(Text(line), soft_wrap=True)


class Terminal(Lines):
    """A block that is drawn anew in its place."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._live: Live | None = None

    def show(self, block: Panel, line: str) -> None:
        """Redraw the block."""
        if self._live is None:
            self._live = Live(block, console=self._console, auto_refresh=False)
            self._live.start()
        self._live.update(block, refresh=True)

    def end(self, lines: Sequence[str]) -> None:
        """Let go of the block and print the lines below it."""
        if self._live is not None:
            self._live.stop()
            self._live = None
        super().end(lines)


class Notebook:
    """A block that is replaced in the cell's output; rich's own needs ipywidgets for that."""

    def __init__(self) -> None:
        self._handle: Any = None

    def show(self, block: Panel, line: str) -> None:
        """Replace the block."""
        if self._handle is None:
            self._handle = _display(block, display_id=True)
        else:
            self._handle.update(block)

    def end(self, lines: Sequence[str]) -> None:
        """Show the lines below the block."""
        _display(Text("\n".join(lines)))


def _display(what: object, **options: object) -> Any:
    from IPython import display  # there is one where there is a notebook

    show: Callable[..., Any] = display.display
    return show(what, **options)
