"""Free energies through a map or a model: one-sided (TFEP), two-sided, and against the model.

Let a bijection M take samples of A to B, Φ_F(x) = u_B(M(x)) − u_A(x) − ln|det ∂M/∂x| and Φ_R the
same of M⁻¹, with u = U/kT. Then p_F(φ)/p_R(−φ) = e^{φ − ∆F} (Hahn and Then, Phys. Rev. E 79,
011113, 2009), so Φ is a generalised work: its exponential average is targeted free-energy
perturbation (Jarzynski, Phys. Rev. E 65, 046122, 2002), and Bennett's estimator takes both
directions. With a normalised model q for A, Φ_F is −ln w = ln q − ln ρ* at draws of q, and −∆F is
ln Z itself (DeepBAR: Ding and Zhang, J. Phys. Chem. Lett. 12, 2509, 2021).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msgen.orchestrator.estimators.diagnostics import work_overlap
from msgen.orchestrator.estimators.errors import inflation
from msgen.orchestrator.estimators.few_blocks import block_error
from msgen.orchestrator.estimators.importance import Units, log_mean_influence
from msgen.orchestrator.estimators.leverage import correction, degrees_of_freedom
from msgen.orchestrator.estimators.works.bar import APART, apart, check_works, fermi, solve_bennett

Array = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Difference:
    """A free-energy difference in kT.

    Attributes
    ----------
    value : float
        ∆F, or ln Z where so asked; NaN if it cannot be known.
    stderr : float
        Its standard error, inflated where few units are behind it; NaN if unknown.
    influence : Array, shape (G,)
        First-order change of `value` due to each unit.
    units : Ints, shape (G,)
        The numbers of those units.
    overlap : float
        ∫ 2 p_F p_R/(p_F + p_R) dw in [0, 1]; NaN from one side alone.
    reason : str
        Why there is no value or error; empty if there is.
    dof : float
        Degrees of freedom that an error from these influences has at most, as the works are
        distributed; +inf where that is not asked.
    """

    value: float
    stderr: float
    influence: Array
    units: Ints
    overlap: float = float("nan")
    reason: str = ""
    dof: float = float("inf")


def tfep(
    work: Array,
    unit: Ints | None = None,
    covered: NDArray[np.bool_] | None = None,
    unit_covered: Ints | None = None,
) -> Difference:
    """∆F = −ln ⟨e^{−Φ}⟩ + ln P(covered) from one side.

    Of few blocks the error is wider where few works hold most of the average, see `few_blocks`.

    A map whose image misses a part of the end state sees e^{−∆F} P(covered) only, where covered is
    what the inverse map takes into the start state; it costs no energy to know of samples.

    Parameters
    ----------
    work : Array, shape (n,)
        Φ in kT at samples of the start; +inf where the image lies outside the end state.
    unit : Ints, shape (n,), optional
        Samples with the same number may be correlated; they come in the order of time.
    covered : bool array, shape (m,), optional
        Of samples of the end state; without it the map is taken to cover all of it.
    unit_covered : Ints, shape (m,), optional
        Their units, numbered together with `unit`.

    Raises
    ------
    ValueError
        For NaN or −inf works.
    """
    w = check_works(work)
    if not np.isfinite(w).any():
        return _none("no work is finite")
    if covered is not None and not np.any(covered):
        return _none("nothing of the end state is covered")
    value, influence, _ = log_mean_influence(-w, unit)
    units = Units.read(unit, len(w))
    few = block_error(np.exp(-w - value), units.of)
    parts = [(units, unit, influence * few.factor)]
    if covered is not None:
        inside = np.where(covered, 0.0, -np.inf)
        share, less, _ = log_mean_influence(inside, unit_covered)
        value -= share
        parts.append((Units.read(unit_covered, len(inside)), unit_covered, -less))
    return _with_error(-value, parts, float("nan"), few.dof)


def two_sided(
    forward: Array,
    reverse: Array,
    unit_forward: Ints | None = None,
    unit_reverse: Ints | None = None,
) -> Difference:
    """∆F by Bennett's estimator from works of both directions, correlated samples allowed.

    Any constant in Bennett's Fermi functions is consistent; the best has the ratio of effective,
    not of actual, numbers of works. They are estimated from how much the units' sums vary beyond
    what independent works would, so that a few correlated samples do not spoil many independent
    draws. The error is that of `bar.bar` with blocks, inflated for its degrees of freedom.

    Parameters
    ----------
    forward, reverse : Array, shape (n_F,), (n_R,)
        Works in kT, +inf where there is no reverse.
    unit_forward, unit_reverse : Ints, same shapes, optional
        Equal numbers, in either direction, may be correlated. None: every work of that direction
        is independent of all others.

    Raises
    ------
    ValueError
        For NaN or −inf works, or a wrong number of units.
    """
    w_f, w_r = check_works(forward), check_works(reverse)
    if not (len(w_f) and len(w_r)):
        return _none("no works in one direction")
    if not (np.isfinite(w_f).any() and np.isfinite(w_r).any()):
        return _none("every work of one direction is infinite")
    if apart(w_f, w_r):
        return _none(APART)
    of_f, of_r = Units.read(unit_forward, len(w_f)), Units.read(unit_reverse, len(w_r))
    ratio = len(w_f) / len(w_r)
    m, share = float(np.log(ratio)), 1.0
    for _ in range(2 if len(of_f) < len(w_f) or len(of_r) < len(w_r) else 0):
        delta = solve_bennett(w_f, w_r, m, share)
        f_f, f_r = fermi(m + w_f - delta), fermi(-m + w_r + delta)
        # how many works of the reverse direction are worth one of the forward direction
        gain = float(np.log(_inefficiency(f_r, of_r) / _inefficiency(f_f, of_f)))
        # of few units it is noise: what is within two of its errors would only cost coverage
        noise = 2.0 * float(np.sqrt(2.0 / len(of_f) + 2.0 / len(of_r)))
        worth = float(np.exp(np.sign(gain) * max(0.0, abs(gain) - noise)))
        m, share = float(np.log(ratio * worth)), 1.0 / worth
    delta = solve_bennett(w_f, w_r, m, share)
    f_f, f_r = fermi(m + w_f - delta), fermi(-m + w_r + delta)
    overlap = work_overlap(w_f, w_r, delta)
    slope = float(f_f.sum())
    parts = [
        (of_f, unit_forward, _centred(f_f, of_f) / slope),
        (of_r, unit_reverse, -share * _centred(f_r, of_r) / slope),
    ]
    return _with_error(delta, parts, overlap)


def deep_bar(
    log_w_model: Array,
    log_w_target: Array,
    unit_model: Ints | None = None,
    unit_target: Ints | None = None,
) -> Difference:
    """ln Z of a target by Bennett's estimator against a normalised model.

    Parameters
    ----------
    log_w_model : Array, shape (n,)
        ln ρ*(x) − ln q(x) at draws of the model; −inf outside the target.
    log_w_target : Array, shape (m,)
        The same at samples of the target; +inf where the model has no density.
    unit_model, unit_target : Ints, optional
        Independent units, numbered together; None: every one is independent.

    Returns
    -------
    Difference
        Of ln Z = ln ∫ρ* dx, with the influence of each unit.

    Raises
    ------
    ValueError
        For NaN, draws of infinite or samples of zero weight.
    """
    down = two_sided(-np.asarray(log_w_model), log_w_target, unit_model, unit_target)
    return Difference(
        -down.value, down.stderr, -down.influence, down.units, down.overlap, down.reason
    )


def _inefficiency(score: Array, units: Units) -> float:
    """Variance of the units' summed scores over that of independent ones; at least 1."""
    g = len(units)
    centred = score - score.mean()
    alone = float(np.sum(centred**2))
    if g == len(score) or g < 2 or alone <= 0.0:
        return 1.0
    together = float(np.sum(units.sums(centred) ** 2)) * g / (g - 1)
    return float(np.clip(together / alone, 1.0, len(score)))


def _centred(score: Array, units: Units) -> Array:
    """Units' sums of scores about the mean; of a single unit, its whole sum, about 1 kT."""
    return units.sums(score - score.mean() if len(units) > 1 else score)


def _with_error(
    value: float,
    parts: list[tuple[Units, Ints | None, Array]],
    overlap: float,
    most: float = float("inf"),
) -> Difference:
    """The difference whose negative has these influences, one part for each direction.

    Units in both directions are one sample of sums, those of one direction another: each has its
    own share of the variance, and the degrees of freedom are Welch's; those of the first direction
    are `most` at most.
    """
    sizes = [units.sums(np.ones(len(units.of))) for units, _, _ in parts]
    parts = [
        (units, unit, influence * correction(size))
        for (units, unit, influence), size in zip(parts, sizes, strict=True)
    ]
    influence, held, labels = _joined(parts, sizes)
    if min(len(units) for units, _, _ in parts) < 2:
        why = "fewer than two units"
        return Difference(value, float("nan"), -influence, labels, overlap, why)
    variance, weight = 0.0, 0.0
    where = (held > 0) @ (1 << np.arange(len(parts)))
    for kind in np.unique(where):
        mine = where == kind
        r, squares = int(mine.sum()), float(np.sum(influence[mine] ** 2))
        sides = [held[mine, j] for j in range(len(parts)) if (held[mine, j] > 0).any()]
        dof = max(1.0, min(map(degrees_of_freedom, sides)))
        dof = min(dof, most) if kind & 1 else dof
        # of a single unit nothing else is known than what it did
        alone = r / (r - 1) * squares if r > 1 else squares
        variance, weight = variance + alone, weight + alone**2 / dof
    dof = variance**2 / weight if weight > 0 else float(np.count_nonzero(influence) - 1)
    error = float(np.sqrt(variance)) * inflation(max(dof, 1.0))
    return Difference(value, error, -influence, labels, overlap, dof=most)


def _joined(
    parts: list[tuple[Units, Ints | None, Array]], sizes: list[Array]
) -> tuple[Array, Array, Ints]:
    """Influences of all directions on common units, and their data in each direction (G, parts).

    Those that are not numbered come after the others.
    """
    given = [u.labels for u, unit, _ in parts if unit is not None]
    labels = np.unique(np.concatenate(given)) if given else np.zeros(0, dtype=np.int64)
    after = int(labels.max()) + 1 if len(labels) else 0
    index: list[Ints] = []
    for units, unit, _ in parts:
        if unit is None:
            index.append(len(labels) + np.arange(len(units)))
            labels = np.concatenate([labels, after + np.arange(len(units))])
            after += len(units)
        else:
            index.append(np.searchsorted(labels, units.labels))
    total, held = np.zeros(len(labels)), np.zeros((len(labels), len(parts)))
    for j, (where, (_, _, values), size) in enumerate(zip(index, parts, sizes, strict=True)):
        np.add.at(total, where, values)
        np.add.at(held[:, j], where, size)
    return total, held, labels.astype(np.int64)


def _none(reason: str) -> Difference:
    nothing = np.zeros(0)
    return Difference(float("nan"), float("nan"), nothing, nothing.astype(np.int64), 0.0, reason)
