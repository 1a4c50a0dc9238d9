"""Dataclasses as trees and back: what crosses a process or a round is typed at both ends.

A tree is what checkpoints and orders are made of: nested dicts whose leaves are numpy arrays and
plain scalars. `encode` and `decode` follow the fields of a dataclass and their annotations, with
the field's name as the key, so that nobody writes a key twice. Two exceptions are said where the
field is:

- ``edges: Annotated[tuple[Array, ...], Numbered("edge")]`` is kept as ``edge0``, ``edge1`` …
- ``g: Annotated[Conditional, FLAT]``: its fields are kept among those of the dataclass around it

None is left out, and stands as ``{}`` where the field is a dataclass or a mapping. Decoding is
strict: a key that no field has, or a value that is not what the annotation says, is an error.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass
from functools import cache
from typing import (
    Annotated,
    Any,
    Literal,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

import numpy as np

Tree = dict[str, Any]
"""Nested dict; leaves are numpy arrays, str, int, float, bool, None or lists of these scalars."""

T = TypeVar("T")


@dataclass(frozen=True)
class Numbered:
    """Marks a field with a tuple that is kept under ``prefix0``, ``prefix1`` …"""

    prefix: str


FLAT = object()
"""Marks a field with a dataclass that shares the tree of the one it stands in."""


class CodecError(ValueError):
    """A tree that is not of the type it was to be read as; the message says where."""


def copy_tree(tree: Any) -> Any:
    """A deep copy whose arrays are C-contiguous and writable, as they come back from disk.

    Memory order decides the order of floating-point sums; without it a state that went through a
    checkpoint, or an order that went through another process, could differ in its last bits.
    """
    if isinstance(tree, np.ndarray):
        return np.array(tree, order="C", copy=True)
    if isinstance(tree, Mapping):
        return {name: copy_tree(value) for name, value in tree.items()}
    if isinstance(tree, list):
        return [copy_tree(value) for value in tree]
    return tree


Shared = dict[int, tuple[object, Tree]]
"""Dataclasses that many trees hold, by id, with their own tree; they are kept so that the id is."""


def encode(value: Any, shared: Shared | None = None) -> Any:
    """A dataclass as a tree; arrays are not copied.

    Mappings become dicts with text as keys, sequences become lists; what is a tree already stays as
    it is.

    Parameters
    ----------
    value : object
    shared : dict, optional
        Handed on from one value to the next, {} at first: a dataclass inside that comes again, the
        very same object, is not encoded again, and the trees hold one tree of it.

    Raises
    ------
    CodecError
        For a dataclass none of whose fields is written: it would be read back as None.
    """
    # a thousand orders a round: the types that are most are asked first, and by identity
    kind: Any = type(value)
    if kind in _LEAVES:
        return value
    if _is_dataclass(kind):
        return _encode_fields(value, shared)
    if isinstance(value, Mapping):
        return {str(name): encode(one, shared) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [one if type(one) in _LEAVES else encode(one, shared) for one in value]
    return value


_LEAVES = frozenset({np.ndarray, float, int, bool, str, type(None)})


@cache
def _is_dataclass(kind: Any) -> bool:
    return dataclasses.is_dataclass(kind)


def decode(kind: type[T], tree: Mapping[str, Any]) -> T:
    """The dataclass that `encode` made `tree` of; arrays are not copied where their dtype fits.

    Raises
    ------
    CodecError
        Where the tree has another shape than the dataclass; the message names the field.
    """
    return cast(T, _decode(kind, tree, kind.__name__))


def keys_of(kind: Any) -> frozenset[str]:
    """The keys that a dataclass takes from a tree, but for the numbered ones."""
    return _keys(kind)


@dataclass(frozen=True)
class _Slot:
    """A field, its type, and how it lies in the tree."""

    name: str
    hint: Any
    has_default: bool
    prefix: str | None = None
    is_flat: bool = False
    nests: bool = False
    """Whether ``{}`` says that there is none."""


@cache
def _slots(kind: Any) -> tuple[_Slot, ...]:
    hints = get_type_hints(kind, include_extras=True)
    return tuple(_slot(f, hints[f.name]) for f in dataclasses.fields(kind) if f.init)


def _slot(field: dataclasses.Field[Any], hint: Any) -> _Slot:
    default = field.default is not MISSING or field.default_factory is not MISSING
    if get_origin(hint) is not Annotated:
        return _Slot(field.name, hint, default, nests=_nests(_without_none(hint)))
    kind, *marks = get_args(hint)
    prefix = next((mark.prefix for mark in marks if isinstance(mark, Numbered)), None)
    nests = _nests(_without_none(kind))
    return _Slot(field.name, kind, default, prefix, FLAT in marks, nests)


@cache
def _keys(kind: Any) -> frozenset[str]:
    return frozenset(
        key
        for slot in _slots(kind)
        if slot.prefix is None
        for key in (_keys(slot.hint) if slot.is_flat else (slot.name,))
    )


@cache
def _prefixes(kind: Any) -> tuple[str, ...]:
    found = [slot.prefix for slot in _slots(kind) if slot.prefix is not None]
    for slot in _slots(kind):
        if slot.is_flat:
            found += _prefixes(slot.hint)
    return tuple(found)


def _encode_fields(value: Any, shared: Shared | None) -> Tree:
    kind: Any = type(value)
    out = Tree()
    for slot in _slots(kind):
        inner = getattr(value, slot.name)
        if slot.prefix is not None:
            out.update({f"{slot.prefix}{i}": encode(one, shared) for i, one in enumerate(inner)})
        elif slot.is_flat:
            out.update(_encode_fields(inner, shared))
        elif inner is not None:
            if type(inner) in _LEAVES:
                out[slot.name] = inner
                continue
            own: Any = type(inner)
            nested = _is_dataclass(own)
            if nested and shared is not None and id(inner) in shared:
                out[slot.name] = shared[id(inner)][1]
                continue
            made = encode(inner, shared)
            if nested and not made:
                raise CodecError(f"{kind.__name__}.{slot.name}: would be read back as None")
            if nested and shared is not None:
                shared[id(inner)] = (inner, made)
            out[slot.name] = made
        elif slot.nests:
            out[slot.name] = {}
    return out


@cache
def _about(hint: Any) -> tuple[Any, tuple[Any, ...], bool]:
    """Origin and arguments of an annotation, and whether it is a dataclass."""
    return get_origin(hint), get_args(hint), dataclasses.is_dataclass(hint)


def _decode(hint: Any, value: Any, where: str) -> Any:
    """A value as its annotation says that it is."""
    if hint is Any or hint is object:
        return value
    origin, arguments, is_data = _about(hint)
    if origin in (Union, types.UnionType):
        return _decode_union(arguments, value, where)
    if origin is Literal:
        return _checked(value in arguments, value, where, f"one of {arguments}")
    if origin is np.ndarray:
        return _decode_array(arguments, value, where)
    if is_data:
        return _decode_fields(cast(type, hint), value, where)
    if origin is not None and issubclass(origin, Mapping):
        _checked(isinstance(value, Mapping), value, where, "a mapping")
        key, inner = arguments
        named = value.items()
        return {_decode_key(key, n): _decode(inner, v, f"{where}[{n}]") for n, v in named}
    if origin is not None and issubclass(origin, Sequence):
        return _decode_sequence(origin, arguments, value, where)
    return _decode_scalar(hint, value, where)


def _decode_fields(kind: type, tree: Any, where: str) -> Any:
    _checked(isinstance(tree, Mapping), tree, where, "a mapping")
    prefixes = _prefixes(kind)
    strange = [k for k in tree if k not in _keys(kind) and not _is_numbered(k, prefixes)]
    if strange:
        raise CodecError(f"{where}: has no field {', '.join(map(repr, strange))}")
    return kind(**_arguments(kind, tree, where))


def _arguments(kind: type, tree: Mapping[str, Any], where: str) -> Tree:
    found: Tree = {}
    for slot in _slots(kind):
        name, at = slot.name, f"{where}.{slot.name}"
        if slot.is_flat:
            inner = _arguments(slot.hint, tree, at)
            if inner or not slot.has_default:
                found[name] = slot.hint(**inner)
        elif slot.prefix is not None:
            number = sum(_is_numbered(key, (slot.prefix,)) for key in tree)
            items = [tree[f"{slot.prefix}{i}"] for i in range(number)]
            found[name] = _decode(slot.hint, items, at)
        elif name in tree:
            found[name] = _decode(slot.hint, tree[name], at)
        elif not slot.has_default:
            if _without_none(slot.hint) is slot.hint:
                raise CodecError(f"{at}: is missing")
            found[name] = None
    return found


def _decode_union(options: tuple[Any, ...], value: Any, where: str) -> Any:
    kinds = [one for one in options if one is not type(None)]
    if len(kinds) == 1:
        none = value is None or (isinstance(value, Mapping) and not value)
        return None if none else _decode(kinds[0], value, where)
    # of plain values, as in JSON: as it is
    fits = any(isinstance(value, get_origin(kind) or kind) for kind in options)
    return _checked(fits, value, where, " or ".join(map(str, kinds)))


def _decode_array(arguments: tuple[Any, ...], value: Any, where: str) -> Any:
    (dtype,) = _about(arguments[1])[1] or (np.generic,)
    try:
        known = isinstance(dtype, type) and issubclass(dtype, np.generic)
        return np.asarray(value, dtype=dtype if known and dtype is not np.generic else None)
    except (TypeError, ValueError) as error:
        raise CodecError(f"{where}: {type(value).__name__} is no array ({error})") from error


def _decode_sequence(origin: Any, arguments: tuple[Any, ...], value: Any, where: str) -> Any:
    _checked(isinstance(value, list | tuple | np.ndarray), value, where, "a list")
    if origin is tuple and arguments[-1:] != (Ellipsis,):
        _checked(len(value) == len(arguments), value, where, f"{len(arguments)} values")
        return tuple(
            _decode(kind, one, f"{where}[{i}]")
            for i, (kind, one) in enumerate(zip(arguments, value, strict=True))
        )
    made = [_decode(arguments[0], one, f"{where}[{i}]") for i, one in enumerate(value)]
    return made if origin is list else tuple(made)


def _decode_scalar(hint: Any, value: Any, where: str) -> Any:
    if hint is bool:
        _checked(isinstance(value, bool | np.bool_), value, where, "true or false")
        return bool(value)
    if hint is int:
        whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
        return int(_checked(whole, value, where, "a whole number"))
    if hint is float:
        number = isinstance(value, int | float | np.integer | np.floating)
        return float(_checked(number and not isinstance(value, bool), value, where, "a number"))
    return _checked(isinstance(value, hint), value, where, getattr(hint, "__name__", str(hint)))


def _decode_key(kind: Any, name: str) -> Any:
    return int(name) if kind is int else name


def _is_numbered(key: str, prefixes: tuple[str, ...]) -> bool:
    return any(key.startswith(p) and key[len(p) :].isdigit() for p in prefixes)


def _without_none(hint: Any) -> Any:
    kinds = [one for one in get_args(hint) if one is not type(None)]
    return kinds[0] if get_origin(hint) in (Union, types.UnionType) and len(kinds) == 1 else hint


def _nests(hint: Any) -> bool:
    """Whether values of this type are trees, so that ``{}`` says that there is none."""
    origin = get_origin(hint) or hint
    mapping = isinstance(origin, type) and issubclass(origin, Mapping)
    return dataclasses.is_dataclass(hint) or mapping


def _checked(holds: bool, value: Any, where: str, wanted: str) -> Any:
    if not holds:
        raise CodecError(f"{where}: {value!r:.80} is not {wanted}")
    return value
