"""The log of events: what says the same as before is not said again."""

from __future__ import annotations

from pathlib import Path

from msgen.orchestrator.run_directory.events import EventLog


def test_a_change_is_written_once(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "events.jsonl")
    for differ in ([], [], ["y in left"], ["y in left"], [], ["y in left"]):
        log.write_changed("hidden", differ=differ)
    assert [e["differ"] for e in log.read()] == [["y in left"], [], ["y in left"]]
    assert {e["event"] for e in log.read()} == {"hidden"}
