"""Memory of more than one frame is said, and of a Markov chain nothing is."""

from __future__ import annotations

import numpy as np

from msgen.orchestrator.estimators.dynamics.memory import memory_in_words, memory_notes
from msgen.orchestrator.estimators.dynamics.trajectories import Trajectories


def test_memory_of_more_than_a_frame_is_told() -> None:
    """Of what goes on as it went two frames before, and not of a chain."""
    rng = np.random.default_rng(4)
    n, length = 60, 80
    chain = rng.random((n, length, 2))
    x = np.zeros((2, n, length), dtype=np.int64)
    for k in range(1, length):
        x[0, :, k] = np.where(chain[:, k, 0] < 0.2, 1 - x[0, :, k - 1], x[0, :, k - 1])
        # goes on the way it went before, three times out of four
        same = chain[:, k, 1] < 0.75
        x[1, :, k] = np.where(same, x[1, :, max(0, k - 2)], 1 - x[1, :, k - 1])
    for values, remembers in zip(x, (False, True), strict=True):
        noise = 0.1 * rng.standard_normal(values.shape)
        data = Trajectories(tuple((values + noise)[..., None]), ("x",), (False,))
        core = values.ravel()
        said = memory_in_words(data, core, ("0", "1"))
        assert (said is not None) == remembers
        assert not remembers or "remember more than one frame" in str(said)
        # of both tests it is this one that has a word, and it says what the model knows
        found = [n for n in memory_notes(data, core, ("0", "1"), 2) if "Markov" in n]
        assert len(found) == remembers
        assert all("The model knows 2 frames" in note for note in found)
        assert not remembers or "knows one frame" in str(said)
