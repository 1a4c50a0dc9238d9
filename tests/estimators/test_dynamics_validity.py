"""Structures that cannot be are counted: bonds, handedness, what is not finite."""

from __future__ import annotations

import numpy as np
import pytest
from known_dynamics import of_one_cv

from msgen.orchestrator.estimators.dynamics.validity import invalid_share
from msgen.systems.topology.bond_windows import BondWindows, lengths

BONDS = np.array([[0, 1], [1, 2]])


def molecules(lengths: np.ndarray) -> np.ndarray:
    """Three atoms in a row with these bond lengths (n, 2), flat (n, 9)."""
    x = np.zeros((len(lengths), 3, 3))
    x[:, 1, 0], x[:, 2, 0] = lengths[:, 0], lengths.sum(axis=1)
    return x.reshape(len(x), 9)


def test_bonds_are_held_to_what_the_data_span() -> None:
    data = np.array([[0.10, 0.15], [0.12, 0.15], [0.11, 0.15]])
    seen = lengths(molecules(data), BONDS)
    windows = BondWindows.around(BONDS, seen.min(axis=0), seen.max(axis=0))
    assert windows.low == pytest.approx([0.095, 0.1485])
    assert windows.high == pytest.approx([0.125, 0.1515])
    tried = molecules(np.array([[0.096, 0.15], [0.094, 0.15], [0.11, 0.1516], [0.11, np.nan]]))
    assert windows.outside(tried).tolist() == [False, True, True, True]


def test_invalid_frames_are_counted_once_each() -> None:
    rng = np.random.default_rng(0)
    bad, left = rng.random(80) < 0.2, np.arange(80) % 7 == 0
    data = of_one_cv(np.zeros((8, 10)))
    told = invalid_share(data, bad, left)
    assert (told.frames, told.bad_bonds, told.other_isomers) == (80, bad.sum(), 12)
    assert told.share.value == pytest.approx(np.mean(bad | left))
    assert told.share.stderr is not None
    fine = invalid_share(data, None, np.zeros(80, dtype=bool))
    assert (fine.share.value, fine.share.stderr) == (0.0, None)
    assert "none of 80" in fine.share.why
    assert fine.judged == "handedness and peptide bonds"
    assert invalid_share(data, None, None).share.value is None
