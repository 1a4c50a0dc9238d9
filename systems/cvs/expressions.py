"""Formulas of a few variables as a campaign file writes them, checked, and as OpenMM reads them.

``sqrt(a^2 + b^2) - 2*cos(phi)``: numbers, names, + − * / ^, and the functions of `FUNCTIONS`. What
a formula is in torch is in `functions`; this module imports neither torch nor OpenMM.
"""

from __future__ import annotations

import ast
import difflib
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

FUNCTIONS: Mapping[str, int] = {
    **dict.fromkeys(("sqrt", "exp", "log", "sin", "cos", "tan", "asin", "acos", "atan"), 1),
    **dict.fromkeys(("sinh", "cosh", "tanh", "erf", "abs"), 1),
    **dict.fromkeys(("atan2", "min", "max"), 2),
}
"""Functions that torch and OpenMM have alike, and how many arguments each takes."""
CONSTANTS: Mapping[str, float] = {"pi": math.pi}
OPERATORS: Mapping[type[ast.operator], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.Pow: "^",
}


class ExpressionError(ValueError):
    """A formula cannot be used; `problem` and `remedy` are for the message."""

    def __init__(self, problem: str, remedy: str) -> None:
        self.problem, self.remedy = problem, remedy
        super().__init__(f"{problem}. {remedy}")


@dataclass(frozen=True)
class Expression:
    """A formula that has been checked; `parse` makes one.

    Attributes
    ----------
    text : str
        As it was given.
    tree : ast.expr
        Of numbers, names, `OPERATORS`, signs and calls of `FUNCTIONS` only.
    names : frozenset of str
        The variables in it.
    """

    text: str
    tree: ast.expr
    names: frozenset[str]

    def for_openmm(self, values: Mapping[str, str]) -> str:
        """The formula with an expression of OpenMM for every variable, all brackets written."""
        return _openmm(self.tree, values)


def parse(text: str, variables: Collection[str]) -> Expression:
    """Read a formula.

    Parameters
    ----------
    text : str
    variables : collection of str
        Names that it may hold; each has to be there.

    Raises
    ------
    ExpressionError
        Naming what is not understood, and what to write instead.
    """
    for name in variables:
        if name in FUNCTIONS or name in CONSTANTS:
            raise ExpressionError(f"{name!r} means something already", "Take another name")
    try:
        tree = ast.parse(text.replace("^", "**").strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        what = getattr(error, "msg", None) or str(error)
        raise ExpressionError(f"is no formula ({what})", "Write it like 'a - 2*cos(b)'") from None
    names = frozenset(_names(tree, variables))
    if missing := [name for name in variables if name not in names]:
        what = f"does not depend on {', '.join(missing)}"
        raise ExpressionError(what, "Leave out what it does not need")
    return Expression(text, tree, names)


def _names(node: ast.expr, variables: Collection[str]) -> set[str]:
    """The variables below a node; raises where something is not understood."""
    if isinstance(node, ast.Constant):
        number = isinstance(node.value, int | float) and not isinstance(node.value, bool)
        if not number or not math.isfinite(float(str(node.value))):
            raise ExpressionError(f"{node.value!r} is no number", "Write it like 1.5 or 2e-3")
        return set()
    if isinstance(node, ast.Name):
        if node.id in variables:
            return {node.id}
        if node.id in CONSTANTS:
            return set()
        known = [*variables, *CONSTANTS, *FUNCTIONS]
        near = difflib.get_close_matches(node.id, known, n=1)
        remedy = f"Did you mean {near[0]}" if near else f"It may hold {', '.join(known)}"
        raise ExpressionError(f"{node.id!r} is no variable of it", remedy)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        return _names(node.operand, variables)
    if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        left, right = _names(node.left, variables), _names(node.right, variables)
        if isinstance(node.op, ast.Pow) and right:
            what = f"'{ast.unparse(node).replace('**', '^')}' has an exponent that varies"
            raise ExpressionError(what, "Write exp(b*log(a)) for a^b")
        return left | right
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
        name = node.func.id
        if name not in FUNCTIONS:
            near = difflib.get_close_matches(name, FUNCTIONS, n=1)
            remedy = f"Did you mean {near[0]}? " if near else ""
            raise ExpressionError(
                f"has no function {name!r}", f"{remedy}There are {', '.join(FUNCTIONS)}"
            )
        if len(node.args) != FUNCTIONS[name]:
            what = f"{name} takes {FUNCTIONS[name]}, and has {len(node.args)}"
            raise ExpressionError(what, "Give each argument once")
        return set().union(*(_names(argument, variables) for argument in node.args))
    text = ast.unparse(node).replace("**", "^")
    raise ExpressionError(f"'{text}' is not understood", "Numbers, names, + - * / ^ and functions")


def _openmm(node: ast.expr, values: Mapping[str, str]) -> str:
    if isinstance(node, ast.Constant):
        return f"({float(str(node.value))!r})"
    if isinstance(node, ast.Name):
        return f"({values[node.id]})" if node.id in values else f"({CONSTANTS[node.id]!r})"
    if isinstance(node, ast.UnaryOp):
        sign = "-" if isinstance(node.op, ast.USub) else ""
        return f"({sign}{_openmm(node.operand, values)})"
    if isinstance(node, ast.BinOp):
        left, right = _openmm(node.left, values), _openmm(node.right, values)
        return f"({left}{OPERATORS[type(node.op)]}{right})"
    assert isinstance(node, ast.Call)
    assert isinstance(node.func, ast.Name)
    return f"{node.func.id}({','.join(_openmm(a, values) for a in node.args)})"
