"""``unfinished/``: what orders have done whose round is not committed yet.

A round enters the store, and every estimate, when all its orders are back. Until then what came
back is kept here, so that a run that was stopped or killed in the middle of a round does not do it
again. Each file holds some orders; a later one that holds an order again counts. An order is known
by a digest of what it asks for, and one that differs is done anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from msgen.actors.base import Begun, CodecError, OrderKey, Segment, Tree, WorkOrder, decode, encode
from msgen.orchestrator.run_directory.atomic_files import RunDirectoryError, fsync_path, writing
from msgen.orchestrator.run_directory.tree_file import TreeError, load_tree, save_tree, tree_hash

_SUFFIX = ".npz"


@dataclass(frozen=True)
class Kept:
    """What an order has done: all of it, or what it did before it was stopped."""

    asked: str
    """Digest of the order, see `asked`."""
    done: Segment | Begun


def asked(order: WorkOrder) -> str:
    """Digest of all that decides what an order gives, but for the models."""
    version = order.model_version
    return tree_hash({"key": list(order.key), "payload": order.payload, "version": version})


class Unfinished:
    """The files of one folder; its caller holds the lock of the run directory.

    Parameters
    ----------
    folder : Path
        Made when there is something to keep.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: dict[Path, set[OrderKey]] = {}

    def read(self, wanted: Callable[[OrderKey], bool]) -> tuple[dict[OrderKey, Kept], list[str]]:
        """What is kept of the orders that are `wanted`; files of none are deleted.

        Returns
        -------
        kept : dict of OrderKey to Kept
        damaged : list of str
            A line for each file that cannot be read: its orders are done again.
        """
        kept: dict[OrderKey, Kept] = {}
        damaged: list[str] = []
        self._held = {}
        for path in sorted(self._folder.glob(f"*{_SUFFIX}")):
            try:
                found = _load(path)
            except (OSError, ValueError, KeyError, TypeError, RunDirectoryError) as error:
                damaged.append(f"unfinished/{path.name}: {error}")
                path.unlink(missing_ok=True)
                continue
            self._held[path] = set()
            for one in found:
                if wanted(one.done.key):
                    self._own(one.done.key, path)
                    kept[one.done.key] = one
        self._prune()
        return kept, damaged

    def add(self, done: Sequence[tuple[WorkOrder, Segment | Begun]]) -> None:
        """Keep these, durably."""
        if not done:
            return
        body = {"kept": [_tree(asked(order), result) for order, result in done]}
        last = max((int(p.name.removesuffix(_SUFFIX)) for p in self._held), default=0)
        path = self._folder / f"{last + 1:08d}{_SUFFIX}"
        aside = path.with_name(f".{path.name}.tmp")
        with writing(path):
            self._folder.mkdir(parents=True, exist_ok=True)
            try:
                save_tree(aside, {**body, "sha256": tree_hash(body)})
                aside.replace(path)
            except OSError:
                aside.unlink(missing_ok=True)  # half a file would keep a full disk full
                raise
            fsync_path(self._folder)
        self._held[path] = set()
        for order, _ in done:
            self._own(order.key, path)
        self._prune()

    def forget(self, keys: Iterable[OrderKey]) -> None:
        """These are committed, or done anew."""
        if not self._held:
            return
        gone = set(keys)
        for held in self._held.values():
            held -= gone
        self._prune()

    def _own(self, key: OrderKey, path: Path) -> None:
        for held in self._held.values():
            held.discard(key)
        self._held[path].add(key)

    def _prune(self) -> None:
        for path in [path for path, held in self._held.items() if not held]:
            del self._held[path]
            path.unlink(missing_ok=True)


def _tree(digest: str, done: Segment | Begun) -> Tree:
    word = "segment" if isinstance(done, Segment) else "begun"
    return {"asked": digest, word: encode(done)}


def _load(path: Path) -> list[Kept]:
    tree = load_tree(path)
    body = {"kept": tree["kept"]}
    if tree["sha256"] != tree_hash(body):
        raise TreeError("its content does not have its hash")
    return [_read(one) for one in body["kept"]]


def _read(tree: Tree) -> Kept:
    try:
        if "segment" in tree:
            return Kept(tree["asked"], decode(Segment, tree["segment"]))
        return Kept(tree["asked"], decode(Begun, tree["begun"]))
    except CodecError as error:
        raise TreeError(str(error)) from error
