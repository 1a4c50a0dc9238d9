"""Puckering of rings whose shape is known: chairs, boats, twists and envelopes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from msgen.systems.base import Array
from msgen.systems.cvs.ring_pucker import Pucker, RingPucker


def ring(heights: Array, turn: int = 0) -> Array:
    """A regular polygon of radius 0.15 nm with its corners at some heights, lying somehow."""
    size = len(heights)
    angle = 2 * np.pi * np.arange(size) / size
    # counted with the clock as seen from above, as R' × R'' takes it
    flat = 0.15 * np.column_stack([np.sin(angle), np.cos(angle), np.zeros(size)])
    flat[:, 2] = heights
    rng = np.random.default_rng(turn)
    q = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    q *= np.sign(np.linalg.det(q))
    return np.asarray((flat @ q + rng.normal(size=3)).reshape(1, -1))


def of(x: Array, coordinate: Pucker) -> float:
    cv = RingPucker("q", tuple(range(x.size // 3)), coordinate)
    return float(cv(torch.as_tensor(x))[0])


def six(amplitude: float, theta: float, phase: float) -> Array:
    """Heights of a ring of six with these coordinates, eq. 4 of Cremer and Pople."""
    j = np.arange(6)
    q2, q3 = amplitude * np.sin(theta), amplitude * np.cos(theta)
    return np.asarray(
        np.sqrt(1 / 3) * q2 * np.cos(phase + 2 * np.pi * 2 * j / 6)
        + np.sqrt(1 / 6) * q3 * (-1.0) ** j
    )


@pytest.mark.parametrize(
    ("amplitude", "theta", "phase"),
    [(0.06, 0.4, 1.0), (0.05, np.pi / 2, -2.0), (0.04, 2.8, 3.0), (0.06, np.pi / 2, np.pi / 6)],
)
def test_coordinates_of_six_come_back(amplitude: float, theta: float, phase: float) -> None:
    for turn in range(3):
        x = ring(six(amplitude, theta, phase), turn)
        assert of(x, "amplitude") == pytest.approx(amplitude)
        assert of(x, "theta") == pytest.approx(theta)
        assert of(x, "phase") == pytest.approx(phase)
        q = [of(x, c) for c in ("qx", "qy", "qz")]
        assert np.linalg.norm(q) == pytest.approx(amplitude)
        assert np.arctan2(q[1], q[0]) == pytest.approx(phase)


def test_shapes_that_everybody_knows() -> None:
    up = 0.03 * np.array([1.0, -1.0, 1.0, -1.0, 1.0, -1.0])
    assert of(ring(up), "theta") == pytest.approx(0.0, abs=1e-6)
    assert of(ring(-up), "theta") == pytest.approx(np.pi, abs=1e-6)
    assert of(ring(up), "amplitude") == pytest.approx(0.03 * np.sqrt(6))
    boat = 0.03 * np.array([2.0, -1.0, -1.0, 2.0, -1.0, -1.0])
    assert of(ring(boat), "theta") == pytest.approx(np.pi / 2)
    assert of(ring(boat), "phase") == pytest.approx(0.0, abs=1e-9)
    twist = 0.03 * np.array([0.0, 1.0, -1.0, 0.0, 1.0, -1.0])
    assert of(ring(twist), "theta") == pytest.approx(np.pi / 2)
    assert (abs(of(ring(twist), "phase")) / (np.pi / 6)) % 2 == pytest.approx(1.0)


def test_an_envelope_of_five_has_its_phase() -> None:
    """z_j ∝ cos(φ + 4π(j−1)/5): the first atom sticks out at φ = 0, and pseudorotation turns it."""
    j = np.arange(5)
    for phase in (0.0, 0.7, -2.5):
        z = np.sqrt(2 / 5) * 0.04 * np.cos(phase + 4 * np.pi * j / 5)
        x = ring(z, 5)
        assert of(x, "amplitude") == pytest.approx(0.04)
        assert of(x, "phase") == pytest.approx(phase, abs=1e-9)


def test_counting_a_ring_backwards_turns_the_chair_over() -> None:
    """What the order of the atoms means, and that they are not taken in another."""
    x = ring(six(0.06, 0.4, 1.0)).reshape(6, 3)
    assert of(x[::-1].reshape(1, -1).copy(), "theta") == pytest.approx(0.4, abs=1e-6)
    shifted = np.roll(x, 1, axis=0).reshape(1, -1)
    assert of(shifted, "theta") == pytest.approx(np.pi - 0.4, abs=1e-6)
