"""Pages of documentation as what they tell a reader to do: files to write, commands, pictures."""

from __future__ import annotations

import contextlib
import io
import itertools
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from places import ROOT

SPENT = 3
"""Exit status of a campaign whose budget was spent first: its results are written all the same."""
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_FILE = re.compile(r"# ([\w-]+\.(?:yaml|py))\n")
_PICTURE = re.compile(r'!\[([^\]]*)\]\(([^ )]+)(?: "([^"]*)")?\)')


class PageError(Exception):
    """A page that does not do what it says."""


@dataclass(frozen=True)
class Block:
    """Fenced text.

    Attributes
    ----------
    language : str
    text : str
    file : str
        Name of the file that it is to be written to, said in its first line; '' where it is none.
    span : tuple of int
        Where `text` begins and ends in the page.
    """

    language: str
    text: str
    file: str
    span: tuple[int, int]

    @property
    def commands(self) -> list[str]:
        """Its lines, where it is for a shell; each is run by itself."""
        lines = self.text.splitlines() if self.language == "bash" else []
        return [line for line in lines if line.strip() and not line.startswith("#")]


@dataclass(frozen=True)
class Picture:
    """A linked picture, and the file of the reader's that it is."""

    about: str
    link: str
    made: str


def blocks(text: str) -> list[Block]:
    """All fenced blocks of a page, in order."""
    found = []
    for match in _BLOCK.finditer(text):
        named = _FILE.match(match[2]) if match[1] in ("yaml", "python") else None
        found.append(Block(match[1], match[2], named[1] if named else "", match.span(2)))
    return found


def pictures(text: str) -> list[Picture]:
    """All pictures of a page, in order."""
    return [Picture(*match.groups("")) for match in _PICTURE.finditer(text)]


def makes(text: str) -> set[str]:
    """Pictures that the commands of a page leave behind, relative to the reader's folder."""
    made: set[str] = set()
    known = campaign_names(text)
    for block in blocks(text):
        if block.language == "python":
            made.update(re.findall(r'savefig\("([^"]+)"', block.text))
        for command in block.commands:
            words = shlex.split(command, comments=True)
            option = dict(itertools.pairwise(words))
            if words[0] == "msgen-run" and "--dry-run" not in words:
                set_to = [w.removeprefix("name=") for w in words if w.startswith("name=")]
                file = Path(words[1])
                name = set_to[0] if set_to else known.get(file.name, file.stem)
                run = f"{option.get('--output-dir', 'runs')}/{name}/results"
                made |= {f"{run}/free_energy.png", f"{run}/convergence.png"}
            if words[:2] == ["msgen", "compare"]:
                made.add("compare.png")
            if words[:2] == ["msgen", "binding"]:
                made.add(f"{words[2]}/results/binding.png")
    return made


def campaign_names(text: str) -> dict[str, str]:
    """Names of campaigns by their files: those that a page shows, and copies from the checkout.

    `msgen init` calls them as their files.
    """
    shown = {b.file: b.text for b in blocks(text) if b.file.endswith(".yaml")}
    for path in re.findall(r"\$MSGEN/(\S+\.yaml)", text):
        shown[Path(path).name] = (ROOT / path).read_text(encoding="utf-8")
    return {file: str(yaml.safe_load(content)["name"]) for file, content in shown.items()}


def follow(text: str, folder: Path) -> Iterator[tuple[Block, str]]:
    """Do what a page says, in a folder; yields each block that does something and what it printed.

    Raises
    ------
    PageError
        If a command fails, with what it said.
    """
    names: dict[str, Any] = {}
    for block in blocks(text):
        if block.file:
            (folder / block.file).write_text(block.text, encoding="utf-8")
        elif block.language == "bash":
            yield block, "".join(_run(command, folder) for command in block.commands)
        elif block.language == "python":
            yield block, _execute(block.text, folder, names)


def _run(command: str, folder: Path) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "MSGEN": str(ROOT), "COLUMNS": "110"}
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    allowed = (0, SPENT) if command.startswith("msgen-run ") else (0,)
    if done.returncode not in allowed:
        raise PageError(f"{command}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
    if command.startswith("msgen-run ") and "--dry-run" not in command:
        return ""  # what it says while it runs is another each time; `msgen status` tells the end
    return done.stdout.replace(f"{folder}/", "")


def _execute(code: str, folder: Path, names: dict[str, Any]) -> str:
    printed = io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(printed):
        exec(code, names)
    return printed.getvalue().replace(f"{folder}/", "")


def with_outputs(text: str, printed: list[tuple[Block, str]]) -> str:
    """The page, each ``text`` block after one that printed holding what that printed."""
    said = {block.span: output for block, output in printed}
    parts, at = [], 0
    before: Block | None = None
    for block in blocks(text):
        if block.language == "text" and before is not None and before.span in said:
            lines = [line.rstrip() for line in said[before.span].strip("\n").splitlines()]
            parts += [text[at : block.span[0]], "\n".join([*lines, ""])]
            at = block.span[1]
        before = block
    return "".join([*parts, text[at:]])
