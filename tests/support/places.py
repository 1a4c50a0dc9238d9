"""Where things lie in this repository, from whatever folder the tests are run."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = ROOT / "configs"
TESTS = ROOT / "tests"
SUPPORT = TESTS / "support"
REFERENCES = TESTS / "references"
BENCHMARKS = TESTS / "benchmarks"
