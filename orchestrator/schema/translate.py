"""Pydantic's errors as problems a user can act on: the path as in the file, the nearest name."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from msgen.orchestrator.schema.campaign import Campaign
from msgen.orchestrator.schema.kinds import KindOf
from msgen.orchestrator.schema.problems import MISSING, Path, Problem, choose, nearest


def problems_of(error: ValidationError) -> list[Problem]:
    """Every problem of a failed `Campaign.parse`, one for each field."""
    details = error.errors(include_url=False)
    misspelt = _misspelt(details)
    found: dict[Path, Problem] = {}
    for detail in details:
        if detail["type"] == "missing" and walk(detail["loc"])[0] in misspelt:
            continue
        for problem in _translate(detail):
            known = found.get(problem.path)
            if known is None:
                found[problem.path] = problem
            elif known.problem != problem.problem and detail["type"] != "campaign":
                # the branches of a union that all failed
                text = f"{known.problem}, or {problem.problem}"
                found[problem.path] = Problem(known.path, known.value, text, known.remedy)
    return list(found.values())


def _misspelt(details: list[ErrorDetails]) -> set[Path]:
    """Fields that are not really missing: an unknown key beside them is a typo of their name."""
    paths = set()
    for detail in details:
        if detail["type"] == "extra_forbidden":
            path, owner, _ = walk(detail["loc"])
            near = nearest(path[-1], _keys(owner))
            if near is not None:
                paths.add((*path[:-1], near))
    return paths


def _translate(detail: ErrorDetails) -> list[Problem]:
    path, owner, rest = walk(detail["loc"])
    kind, context, value = detail["type"], detail.get("ctx", {}), detail["input"]
    if kind == "campaign_rules":
        return list(context["problems"])
    if kind == "campaign":
        path += tuple(context.get("at", ()))
        if "at" in context:
            value = context.get("value", MISSING)
        return [Problem(path, value, context["problem"], context["remedy"])]
    if kind == "extra_forbidden":
        names = _keys(owner)
        return [Problem(path, value, "unknown key", choose(path[-1], names))]
    if kind == "missing":
        return [Problem(path, MISSING, "is missing", _describe(owner, path[-1]))]
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        known = [t.strip("'\" ") for t in str(context.get("expected_tags", "")).split(",") if t]
        known = known or _tags(rest)
        if kind == "union_tag_not_found":
            return [Problem((*path, "kind"), MISSING, "is missing", "Allowed: " + ", ".join(known))]
        tag = context.get("tag")
        return [Problem((*path, "kind"), tag, "unknown kind", choose(tag, known))]
    if kind == "literal_error":
        known = _literals(str(context.get("expected", "")))
        return [Problem(path, value, "is none of the allowed values", choose(value, known))]
    if kind == "string_pattern_mismatch":
        what, remedy = _PATTERNS.get(path[-1], ("is not of the right form", ""))
        return [Problem(path, value, what, remedy or _describe(owner, path[-1]))]
    text = detail["msg"].replace("Input should be", "must be").replace("Input should", "must")
    text = text.replace("a valid dictionary or object to extract fields from", "{key: value, …}")
    text = text.replace("a valid dictionary", "{key: value, …}")
    text = text.replace("List should have", "must have").replace("after validation, ", "")
    text = text.replace("a valid integer", "a whole number").replace("a valid boolean", "on or off")
    text = text.replace("a valid list", "a list in [ ]").replace("a valid ", "a ")
    field = path[-1] if path else ""
    return [Problem(path, value, text, _remedy(kind, owner, field))]


_PATTERNS: Mapping[object, tuple[str, str]] = {
    "name": (
        "cannot name a directory",
        "Use letters, digits, '.', '_' and '-', at most 100, beginning with a letter or a digit",
    ),
    "factory": ("is no import path", "Write package.module:function"),
}

_REMEDIES = {
    "model_type": "Write it as {key: value, …} or as an indented block of keys",
    "model_attributes_type": "Write it as {key: value, …} or as an indented block of keys",
    "dict_type": "Write it as {name: …} or as an indented block of keys",
    "list_type": "Write it as [a, b, …]",
    "bool_type": "Write on or off",
    "int_type": "Write a whole number",
    "float_type": "Write a number without a unit",
    "string_type": "Write text; put it in quotes if it looks like a number",
}


def _remedy(kind: str, owner: type[BaseModel] | None, field: object) -> str:
    if kind in _REMEDIES:
        return _REMEDIES[kind]
    if owner is not None and field in owner.model_fields:
        default = owner.model_fields[str(field)].get_default(call_default_factory=False)
        if isinstance(default, int | float | str) and not isinstance(default, bool):
            return f"Leave it out for the default, {default}"
    return _describe(owner, field)


def _keys(owner: type[BaseModel] | None) -> list[str]:
    return list(owner.model_fields) if owner is not None else []


def _describe(owner: type[BaseModel] | None, field: object) -> str:
    if owner is None or field not in owner.model_fields:
        return "See `msgen schema` for the form"
    text = owner.model_fields[str(field)].description or (owner.__doc__ or "")
    return f"Add it: {' '.join(text.replace('`', '').split())}" if text else f"Add {field}: …"


def _literals(expected: str) -> list[str]:
    return [w.strip().strip("'") for w in expected.replace(" or ", ", ").split(",") if w.strip()]


def _strip(kind: Any) -> Any:
    while get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    return kind


def _members(kind: Any) -> list[Any]:
    if get_origin(kind) is Annotated:
        for mark in get_args(kind)[1:]:
            if isinstance(mark, KindOf):
                return list(mark.sections().values())
    kind = _strip(kind)
    if get_origin(kind) in (Union, types.UnionType):
        return [m for arg in get_args(kind) for m in _members(arg)]
    return [kind]


def _annotation(field: FieldInfo) -> Any:
    """A field's type, with the mark of one that may be of many kinds."""
    for mark in field.metadata:
        if isinstance(mark, KindOf):
            return Annotated[field.annotation, mark]
    return field.annotation


def _tag(member: Any) -> str | None:
    if isinstance(member, type) and issubclass(member, BaseModel) and "kind" in member.model_fields:
        annotation = member.model_fields["kind"].annotation
        if get_origin(annotation) is Literal:
            return str(get_args(annotation)[0])
    return getattr(member, "tag", None) if isinstance(member, type) else None


def _tags(kind: Any) -> list[str]:
    return [tag for m in _members(kind) if (tag := _tag(m)) is not None]


def walk(loc: tuple[int | str, ...]) -> tuple[Path, type[BaseModel] | None, Any]:
    """The path as it stands in the file, the section that holds its last key, and its type.

    Pydantic puts the tag of a union's branch into its locations; the file has no such key.
    """
    here: Any = Campaign
    owner: type[BaseModel] | None = None
    path: Path = ()
    for step in loc:
        members = _members(here)
        tagged = {tag: m for m in members if (tag := _tag(m)) is not None}
        if step in tagged:
            here = tagged[str(step)]
            continue
        if len(tagged) > 1:
            break
        base = next((m for m in members if get_origin(m) in (dict, list)), members[0])
        if isinstance(base, type) and issubclass(base, BaseModel):
            field = base.model_fields.get(str(step))
            owner, path = base, (*path, step)
            here = typing.Any if field is None else _annotation(field)
        elif get_origin(base) is dict or (get_origin(base) is list and isinstance(step, int)):
            owner, path = None, (*path, step)
            here = get_args(base)[-1]
        else:
            break
    return path, owner, here
