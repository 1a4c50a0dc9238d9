"""CVs that are formulas of others: what is understood, what is refused, torch against OpenMM."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import openmm as mm
import pytest
import torch
from alanine_molecule import AMBER99SB, PHI_PSI, molecule
from places import CONFIGS
from sections import build_cvs, build_system, refused
from single_force import openmm_values

from msgen.orchestrator.schema.problems import dotted
from msgen.systems import CVSet
from msgen.systems.base import Array
from msgen.systems.cvs.expressions import FUNCTIONS, ExpressionError, parse
from msgen.systems.cvs.functions import FunctionCV, compiled
from msgen.systems.cvs.openmm_forces import value_force

ENDS = {"kind": "distance", "atoms": [1, 18]}
FORMULAS = {
    "-a^2 + b": lambda a, b: -(a**2) + b,
    "2^-1 * a - b/3 - -b": lambda a, b: 0.5 * a - b / 3 + b,
    "a^0.5*b^-2": lambda a, b: np.sqrt(a) / b**2,
    "a - b - a": lambda a, b: -b,
    "a/b/2": lambda a, b: a / (2 * b),
    "pi*min(a, b) + max(a, 0.5)": lambda a, b: math.pi * np.minimum(a, b) + np.maximum(a, 0.5),
    "atan2(a, b) + abs(a - b)": lambda a, b: np.arctan2(a, b) + np.abs(a - b),
    "exp(-log(a))*erf(b)": lambda a, b: torch.erf(torch.as_tensor(b)).numpy() / a,
    "sqrt(a + 1e-3)*2.5E1": lambda a, b: 25 * np.sqrt(a + 1e-3),
}


def by_openmm(text: str, values: dict[str, Array]) -> Array:
    """The formula as a CustomCVForce of distances, each of two atoms."""
    names = list(values)
    force = mm.CustomCVForce(parse(text, names).for_openmm({k: f"v_{k}" for k in names}))
    for k, name in enumerate(names):
        bond = mm.CustomBondForce("r")
        bond.addBond(2 * k, 2 * k + 1, [])
        force.addCollectiveVariable(f"v_{name}", bond)
    x = np.zeros((len(values[names[0]]), 2 * len(names), 3))
    for k, name in enumerate(names):
        x[:, 2 * k, 1] = values[name]
    return openmm_values(force, x.reshape(len(x), -1))[0]


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_is_what_it_says_in_torch_and_in_openmm(text: str) -> None:
    rng = np.random.default_rng(1)
    values = {"a": rng.uniform(0.1, 2.0, 20), "b": rng.uniform(0.1, 2.0, 20)}
    used = {k: v for k, v in values.items() if k in parse_names(text)}
    expected = FORMULAS[text](**values)
    torched = compiled(parse(text, used))({k: torch.as_tensor(v) for k, v in used.items()})
    np.testing.assert_allclose(torched.numpy(), expected, rtol=1e-12)
    np.testing.assert_allclose(by_openmm(text, used), expected, rtol=1e-9)


def parse_names(text: str) -> frozenset[str]:
    for names in (("a", "b"), ("a",), ("b",)):
        try:
            return parse(text, names).names
        except ExpressionError:
            continue
    raise AssertionError(text)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_and_its_slope_are_alike_in_both(name: str) -> None:
    variables = {"a": ENDS}
    if FUNCTIONS[name] == 2:
        variables["b"] = {"kind": "distance", "atoms": [2, 8]}
    system = molecule()[0]
    section = {"kind": "function", "expression": f"{name}({', '.join(variables)})", "of": variables}
    one = build_cvs({"f": section}, system, CONFIGS)
    x = system.initial().positions + 0.02 * np.random.default_rng(2).normal(size=(3, 66))
    value, gradient = one.value_and_gradient(x)
    u, f = openmm_values(value_force(one.cvs[0]), x)
    np.testing.assert_allclose(u, value[:, 0], atol=1e-7)
    np.testing.assert_allclose(-f, gradient[:, 0], atol=1e-5)
    assert np.abs(f).max() > 1e-3


@pytest.mark.parametrize(
    ("text", "problem", "remedy"),
    [
        ("a +", "is no formula", "like"),
        ("a + c", "'c' is no variable", "may hold a, b, pi"),
        ("a + sqr(b)", "no function 'sqr'", "Did you mean sqrt"),
        ("aa*b", "'aa' is no variable", "Did you mean a"),
        ("atan2(a)*b", "atan2 takes 2, and has 1", "once"),
        ("a", "does not depend on b", "Leave out"),
        ("a**b", "an exponent that varies", "exp(b*log(a))"),
        ("a if b else 1", "is not understood", "+ - * / ^"),
        ("a.real + b", "is not understood", "+ - * / ^"),
        ("__import__('os').system('true') + a + b", "is not understood", "+ - * / ^"),
        ("[a, b][0]", "is not understood", "+ - * / ^"),
        ("a % b", "is not understood", "+ - * / ^"),
        ("a + b + True", "True is no number", "like 1.5"),
        ("a + b + 1e999", "is no number", "like 1.5"),
        ("a + b + 'x'", "is no number", "like 1.5"),
        ("(" * 400 + "a+b" + ")" * 400, "is no formula", "like"),
    ],
)
def test_what_is_no_formula_is_refused(text: str, problem: str, remedy: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(text, ("a", "b"))
    assert problem in caught.value.problem
    assert remedy in caught.value.remedy


def test_a_name_that_means_something_is_refused() -> None:
    with pytest.raises(ExpressionError, match="means something already"):
        parse("pi + 1", ("pi",))


PHI = PHI_PSI["phi"]


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({}, None),
        ({"expression": "a + q"}, "cvs.f.expression"),
        ({"expression": "cos(p)"}, "cvs.f.expression"),
        ({"expression": "a + p"}, "cvs.f.expression"),  # jumps where p wraps
        ({"of": {}}, "cvs.f.of"),
        ({"of": {"a": {**ENDS, "bins": 9}, "p": PHI}}, "cvs.f.of.a.bins"),
        ({"of": {"a": {"kind": "distance", "atoms": [1]}, "p": PHI}}, "cvs.f.of.a.atoms"),
        ({"of": {"a": {"kind": "distance", "atoms": [1, 99]}, "p": PHI}}, "cvs.f.of.a.atoms[1]"),
        ({"of": {"a": ENDS, "p": {"kind": "fucntion"}}}, "cvs.f.of.p.kind"),
        ({"of": {"a b": ENDS, "p": PHI}}, "cvs.f.of.a b"),
        ({"unit": "degrees"}, "cvs.f.unit"),
        ({"unit": "nm", "periodic": True}, "cvs.f.unit"),
    ],
)
def test_wrong_functions_are_told_by_their_field(changes: dict[str, Any], path: str | None) -> None:
    section = {"kind": "function", "expression": "a*cos(p)", "of": {"a": ENDS, "p": PHI}, **changes}
    if path is None:
        build_cvs({"f": section}, build_system(AMBER99SB, CONFIGS), CONFIGS)
    else:
        assert dotted(refused(AMBER99SB, CONFIGS, {"f": section}).path) == path


def test_an_angle_of_angles_wraps_and_no_other_may_jump() -> None:
    """Twin: half an angle, which is none."""
    system = molecule()[0]
    sound = {"kind": "function", "expression": "p - 2*q", "periodic": True, "of": {
        "p": PHI, "q": PHI_PSI["psi"]}}  # fmt: skip
    both = build_cvs({"f": sound, "l": {"kind": "linear_combination", "terms": [
        {"coefficient": 1, "cv": PHI}, {"coefficient": -2, "cv": PHI_PSI["psi"]}]}},
        system, CONFIGS)  # fmt: skip
    x = system.initial().positions + 0.1 * np.random.default_rng(4).normal(size=(50, 66))
    values = both(x)
    np.testing.assert_allclose(values[:, 0], values[:, 1], atol=1e-12)
    (cv, _) = both.cvs
    assert isinstance(cv, FunctionCV)
    assert cv.unit == "rad"
    halved = FunctionCV("h", parse("p - q/2", ("p", "q")), cv.variables, cv.components, True, "rad")
    assert halved.jumping(torch.as_tensor(x[:1])) == "q"
    assert cv.jumping(torch.as_tensor(x[:1])) is None


def test_a_formula_of_coordinates_needs_no_molecule() -> None:
    system = build_system({"kind": "double_well"}, CONFIGS)
    of = {"x": {"kind": "coordinate", "index": 0}, "y": {"kind": "coordinate", "index": 1}}
    section = {"kind": "function", "expression": "sqrt(x^2 + y^2)", "of": of}
    found = build_cvs({"r": section}, system, CONFIGS)
    assert found(np.array([[3.0, 4.0]]))[0, 0] == pytest.approx(5.0)
    assert isinstance(found, CVSet)
