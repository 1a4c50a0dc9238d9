"""What was sampled before a new beginning is set aside whole, wherever it is cut off."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from msgen.orchestrator.run_directory.set_aside import PARTS, set_aside


def lay(run_dir: Path, content: str) -> None:
    for part in PARTS:
        if part.endswith(".jsonl"):
            (run_dir / part).write_text(content)
        else:
            (run_dir / part).mkdir(parents=True)
            (run_dir / part / "x").write_text(content)


def content(folder: Path, part: str) -> str:
    path = folder / part
    return path.read_text() if path.is_file() else (path / "x").read_text()


def test_each_beginning_keeps_what_it_had(tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").write_text("kept")
    for n in (1, 2):
        lay(tmp_path, str(n))
        set_aside(tmp_path, n)
        assert not any((tmp_path / part).exists() for part in PARTS)
    for n in (1, 2):
        assert {content(tmp_path / "before" / str(n), p) for p in PARTS} == {str(n)}
    assert (tmp_path / "events.jsonl").read_text() == "kept"


def test_done_once_it_is_not_done_again(tmp_path: Path) -> None:
    lay(tmp_path, "old")
    set_aside(tmp_path, 1)
    lay(tmp_path, "new")
    set_aside(tmp_path, 1)
    assert {content(tmp_path, p) for p in PARTS} == {"new"}
    assert {content(tmp_path / "before" / "1", p) for p in PARTS} == {"old"}


@pytest.mark.parametrize("cut", range(len(PARTS)))
def test_cut_at_every_move_it_is_gone_on_with(
    cut: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay(tmp_path, "old")
    moves, replace = 0, os.replace

    def cut_off(source: Path, target: Path) -> None:
        nonlocal moves
        if moves == cut:
            raise KeyboardInterrupt
        moves += 1
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", cut_off)
        with pytest.raises(KeyboardInterrupt):
            set_aside(tmp_path, 1)
    set_aside(tmp_path, 1)
    assert not any((tmp_path / part).exists() for part in PARTS)
    assert {content(tmp_path / "before" / "1", p) for p in PARTS} == {"old"}
