"""Reading a campaign file: YAML 1.2 scalars, line numbers, no key twice, and `--set` on top.

PyYAML's own resolver reads ``2e7`` as text, ``1:30`` as 90 and dates as dates; here numbers are
numbers, ``on``/``off``/``yes``/``no`` are booleans, and everything else is text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike, fspath
from pathlib import Path as FilePath
from typing import Any

import yaml

from msgen.orchestrator.schema.problems import MISSING, CampaignError, Path, Problem

_DEEPEST = 30
_BOOL = {"true": True, "on": True, "yes": True, "false": False, "off": False, "no": False}
_INT = re.compile(r"^[+-]?[0-9][0-9_]*$")
_FLOAT = re.compile(r"^[+-]?([0-9][0-9_]*\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$")


@dataclass(frozen=True)
class Source:
    """A campaign file as read.

    Attributes
    ----------
    name : str
        For messages.
    tree : dict
        Plain YAML values, nothing checked yet.
    lines : dict of path to line
        From 1; −1 for what `--set` put there.
    """

    name: str
    tree: dict[str, Any]
    lines: dict[Path, int] = field(default_factory=dict)


def _scalar(node: yaml.ScalarNode) -> Any:
    text = str(node.value)
    if node.style is not None:
        return text
    if text in ("", "~", "null", "Null", "NULL"):
        return None
    if text.lower() in _BOOL:
        return _BOOL[text.lower()]
    if _INT.match(text):
        return int(text.replace("_", ""))
    if _FLOAT.match(text):
        return float(text.replace("_", ""))
    return text


class _Builder:
    def __init__(self, lines: dict[Path, int]) -> None:
        self.lines = lines
        self.problems: list[Problem] = []

    def build(self, node: yaml.Node, path: Path) -> Any:
        self.lines.setdefault(path, node.start_mark.line + 1)
        if len(path) > _DEEPEST:  # an alias inside its own anchor has no end
            self.problems.append(Problem(path[:3], MISSING, "is nested without end", "Unfold it"))
            return None
        if isinstance(node, yaml.ScalarNode):
            return _scalar(node)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, (*path, i)) for i, item in enumerate(node.value)]
        return self._mapping(node, path)

    def _mapping(self, node: yaml.Node, path: Path) -> dict[str, Any]:
        tree: dict[str, Any] = {}
        for key_node, value_node in node.value:
            # the text of a key, so that states or CVs may be called `on`, `no` or `1`
            if not isinstance(key_node, yaml.ScalarNode):
                what = f"a key in line {key_node.start_mark.line + 1} is no word"
                self.problems.append(Problem(path, MISSING, what, "Write name: value"))
                continue
            key = str(key_node.value)
            here = (*path, key)
            if key in tree:
                first = self.lines[here]
                self.lines[here] = key_node.start_mark.line + 1
                self.problems.append(
                    Problem(here, MISSING, f"given twice, first in line {first}", "Remove one")
                )
                continue
            self.lines[here] = key_node.start_mark.line + 1
            tree[key] = self.build(value_node, here)
        return tree


def _compose(text: str, name: str) -> yaml.Node | None:
    try:
        node: yaml.Node | None = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        what = getattr(error, "problem", None) or str(error).splitlines()[0]
        lines: dict[Path, int] = {("YAML",): mark.line + 1} if mark is not None else {}
        shown: object = MISSING
        if mark is not None and mark.line < len(text.splitlines()):
            shown = text.splitlines()[mark.line].strip()
        remedy = "Check the indentation, the brackets and the quotes in this line"
        if "\t" in str(shown) or "\\t" in what:
            remedy = "Indent with spaces, not tabs"
        raise CampaignError(name, [Problem(("YAML",), shown, what, remedy)], lines) from None
    return node


def read_text(text: str, name: str = "campaign") -> Source:
    """A campaign from its YAML text.

    Raises
    ------
    CampaignError
        For text that is not YAML, no mapping, or has a key twice.
    """
    node = _compose(text, name)
    lines: dict[Path, int] = {}
    if not isinstance(node, yaml.MappingNode):
        remedy = "Begin with 'system:', 'cvs:' and 'strategy:' (`msgen init` writes an example)"
        what = "is empty" if node is None else "is no mapping of keys to values"
        raise CampaignError(name, [Problem((), MISSING, what, remedy)])
    builder = _Builder(lines)
    tree = builder.build(node, ())
    if builder.problems:
        raise CampaignError(name, builder.problems, lines)
    return Source(name, tree, lines)


def read_file(path: FilePath) -> Source:
    """A campaign from its file.

    Raises
    ------
    CampaignError
        Also where the file cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not UTF-8 text"
        remedy = "Give the path of a campaign file (YAML)"
        raise CampaignError(
            str(path), [Problem(("CAMPAIGN",), str(path), str(reason), remedy)]
        ) from None
    return read_text(text, str(path))


def plain(value: object, path: Path = ()) -> Any:
    """`value` as YAML would give it: text, numbers, lists and mappings of them.

    Tuples and arrays become lists, numpy's numbers Python's, paths text.

    Raises
    ------
    CampaignError
        For anything else.
    """
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(item, (*path, str(key))) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return [plain(item, (*path, i)) for i, item in enumerate(value)]
    if isinstance(value, PathLike):
        return fspath(value)
    if hasattr(value, "tolist"):  # numpy, which reading a campaign does not wait for
        return plain(value.tolist(), path)
    what = f"a {type(value).__name__} cannot stand in a campaign"
    remedy = "Give text, numbers, lists and mappings, as in a campaign file"
    raise CampaignError("campaign", [Problem(path, value, what, remedy)])


def apply_overrides(source: Source, overrides: Sequence[str]) -> Source:
    """The campaign with every ``a.b=value`` put in; values are YAML, list items go by index.

    Raises
    ------
    CampaignError
        For an override that is not of this form or points into something that holds no keys.
    """
    lines = dict(source.lines)
    tree = _copy(source.tree)
    for text in overrides:
        key, equals, value_text = text.partition("=")
        keys = key.strip().split(".")
        if not equals or not all(keys):
            problem = Problem(
                ("--set",), text, "is no assignment", "Write it like --set replicas=8"
            )
            raise CampaignError("command line", [problem])
        node = _compose(value_text, "--set")
        builder = _Builder({})
        value = None if node is None else builder.build(node, ())
        if builder.problems:
            raise CampaignError("command line", builder.problems)
        path = _assign(tree, keys, value, text)
        lines = {p: n for p, n in lines.items() if p[: len(path)] != path}
        lines[path] = -1
    return Source(source.name, tree, lines)


def _assign(tree: dict[str, Any], keys: Sequence[str], value: Any, text: str) -> Path:
    where: Any = tree
    path: Path = ()
    for n, key in enumerate(keys):
        last = n == len(keys) - 1
        if isinstance(where, list):
            if not key.isdigit() or int(key) >= len(where):
                remedy = f"Use an index from 0 to {len(where) - 1}"
                raise CampaignError(
                    "command line",
                    [Problem((*path, key), text, "no such item in the list", remedy)],
                )
            step: str | int = int(key)
        elif isinstance(where, dict):
            step = key
            if not last and where.get(key) is None:
                where[key] = {}
        else:
            problem = Problem(
                path, where, "has no keys below it", f"Set {'.'.join(keys[:n])} itself"
            )
            raise CampaignError("command line", [problem])
        path = (*path, step)
        if last:
            where[step] = value
        else:
            where = where[step]
    return path


def _copy(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {k: _copy(v) for k, v in tree.items()}
    return [_copy(v) for v in tree] if isinstance(tree, list) else tree
