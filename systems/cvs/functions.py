"""A CV that is a formula of other CVs."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import torch

from msgen.systems.base import CV
from msgen.systems.cvs.expressions import CONSTANTS, OPERATORS, Expression
from msgen.systems.cvs.torch_cvs import TWO_PI, wrap

Values = Mapping[str, torch.Tensor]
Compiled = Callable[[Values], torch.Tensor]

_BINARY: Mapping[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "^": operator.pow,
}
_RENAMED = {"min": "minimum", "max": "maximum"}
_TRIALS = 64
"""Places where a formula is looked at for jumps."""


def compiled(expression: Expression) -> Compiled:
    """The formula as a torch function of its variables, each of shape (n,)."""
    return _compile(expression.tree)


def _compile(node: ast.expr) -> Compiled:
    if isinstance(node, ast.Constant):
        number = torch.tensor(float(str(node.value)), dtype=torch.float64)
        return lambda values: number
    if isinstance(node, ast.Name):
        name = node.id
        if name in CONSTANTS:
            constant = torch.tensor(CONSTANTS[name], dtype=torch.float64)
            return lambda values: constant
        return lambda values: values[name]
    if isinstance(node, ast.UnaryOp):
        inner = _compile(node.operand)
        return (lambda values: -inner(values)) if isinstance(node.op, ast.USub) else inner
    if isinstance(node, ast.BinOp):
        left, right = _compile(node.left), _compile(node.right)
        combine = _BINARY[OPERATORS[type(node.op)]]
        return lambda values: combine(left(values), right(values))
    assert isinstance(node, ast.Call)
    assert isinstance(node.func, ast.Name)
    function = getattr(torch, _RENAMED.get(node.func.id, node.func.id))
    parts = [_compile(argument) for argument in node.args]
    return lambda values: function(*(part(values) for part in parts))


@dataclass(frozen=True, eq=False)
class FunctionCV:
    """A formula of other CVs, wrapped to [−π, π) where it is an angle.

    Attributes
    ----------
    expression : Expression
    variables : tuple of str
    components : tuple of CV
        What each variable stands for.
    periodic : bool
        Whether its value is an angle.
    unit : str
    """

    name: str
    expression: Expression
    variables: tuple[str, ...]
    components: tuple[CV, ...]
    periodic: bool = False
    unit: str = "1"

    @property
    def _parts(self) -> Iterator[tuple[str, CV]]:
        return zip(self.variables, self.components, strict=True)

    @cached_property
    def _compiled(self) -> Compiled:
        return compiled(self.expression)

    def of(self, values: Values) -> torch.Tensor:
        """The formula at values of its variables."""
        value = self._compiled(values)
        return wrap(value) if self.periodic else value

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """ξ(x), shape (n,)."""
        return self.of({name: cv(x) for name, cv in self._parts})

    def jumping(self, start: torch.Tensor) -> str | None:
        """An angle among its variables where the formula jumps as that one wraps, if any.

        Parameters
        ----------
        start : Tensor, shape (1, D)
            About whose values those of the other variables are thrown.
        """
        draw = torch.Generator().manual_seed(20_261)
        values: dict[str, torch.Tensor] = {}
        for name, cv in self._parts:
            away = torch.rand(_TRIALS, generator=draw, dtype=torch.float64) - 0.5
            here = cv(start)
            # a little more than nothing, too: an RMSD begins at 0
            values[name] = TWO_PI * away if cv.periodic else here * (1 + away) + away.abs()
        here = self.of(values)
        for name, cv in self._parts:
            if not cv.periodic:
                continue
            off = self.of({**values, name: values[name] + TWO_PI}) - here
            if self.periodic:
                off = wrap(off)
            if bool((off.abs() > 1e-6 * (1 + here.abs())).any()):
                return name
        return None
