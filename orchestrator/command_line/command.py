"""What the command line knows of a command."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Command:
    """A sub-command.

    Attributes
    ----------
    name, help : str
    options : callable
        Adds what it takes to its parser.
    call : callable
        Does it, and returns the exit status. What is slow to import it imports itself, so that
        ``msgen --help`` answers at once.
    """

    name: str
    help: str
    options: Callable[[argparse.ArgumentParser], None]
    call: Callable[[argparse.Namespace], int]
