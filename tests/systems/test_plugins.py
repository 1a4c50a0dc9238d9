"""Kinds of distributions outside this repository, found by entry point."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from distributions import install

from msgen.systems.plugins import PluginError, Registry, found

GROUP = "msgen.tests"


def test_found_names_the_distribution_and_imports_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {"toy_module.py": "THING = 3\n"}
    install(monkeypatch, tmp_path, "toy-dist", {GROUP: {"thing": "toy_module:THING"}}, files)
    (plugin,) = found(GROUP)
    assert (plugin.name, plugin.distribution, plugin.version) == ("thing", "toy-dist", "1.2.3")
    assert plugin.module == "toy_module"
    assert "toy_module" not in sys.modules
    assert plugin.load(int) == 3


def test_a_group_without_plugins_is_empty() -> None:
    assert found(GROUP) == ()


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("import a_module_that_is_not_there\n", "No module named 'a_module_that_is_not_there'"),
        ("raise SystemExit(3)\n", "SystemExit: 3"),
        ("OTHER = 1\n", "has no attribute 'THING'"),
        ("THING = 'a word'\n", "broken_module:THING is a str, not a int"),
    ],
)
def test_a_broken_plugin_is_told_with_its_distribution(
    source: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = {GROUP: {"thing": "broken_module:THING"}}
    install(monkeypatch, tmp_path, "bad-dist", entries, {"broken_module.py": source})
    with pytest.raises(PluginError) as caught:
        found(GROUP)[0].load(int)
    assert says in str(caught.value)
    assert "thing of bad-dist 1.2.3" in str(caught.value)


def test_a_registry_has_its_own_kinds_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = {GROUP: {"thing": "toy_module:THING", "ours": "toy_module:THING"}}
    install(monkeypatch, tmp_path, "toy-dist", entries, {"toy_module.py": "THING = 3\n"})
    kinds = Registry(GROUP, int, {"ours": 1})
    assert list(kinds) == ["ours", "thing"]
    assert (kinds["ours"], kinds["thing"]) == (1, 3)
    assert kinds.plugin("ours") is None
    assert "thing" in kinds
    assert "other" not in kinds
    with pytest.raises(KeyError):
        kinds["other"]


def test_a_kind_that_two_distributions_bring_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one-dist", "two-dist"):
        folder = tmp_path / name
        install(monkeypatch, folder, name, {GROUP: {"thing": "toy_module:THING"}}, {})
    with pytest.raises(PluginError, match=r"one-dist 1.2.3 is broken: two-dist 1.2.3 brings"):
        Registry(GROUP, int, {})["thing"]
