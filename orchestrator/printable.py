"""What is printed can be read on terminals that know no Unicode: ± as +-, and so on."""

from __future__ import annotations

import codecs
import io
from typing import TextIO

_PLAIN = {
    "±": "+-", "—": "-", "–": "-", "…": "...", "·": "|", "Δ": "d", "∞": "inf", "≤": "<=", "≥": ">=",
    "φ": "phi", "ψ": "psi", "ξ": "xi", "ρ": "rho", "σ": "sigma", "κ": "kappa", "λ": "lambda",
    "ω": "omega", "γ": "gamma", "β": "beta", "α": "alpha", "π": "pi", "°": " deg", "×": "x",
    "«": '"', "»": '"', "“": '"', "”": '"', "’": "'", "−": "-", "→": "->", "R̂": "R-hat",
    "Å": "A", "²": "^2", "³": "^3", "µ": "u", "μ": "mu", "√": "sqrt", "╭": "+", "╮": "+", "╰": "+",
    "╯": "+", "─": "-", "│": "|", "\u0302": "-hat", "\u2009": " ", "\u00a0": " ",
}  # fmt: skip
_HANDLER = "msgen_plain"


def _plainly(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lost = error.object[error.start : error.end]
    return "".join(_PLAIN.get(sign, "?") for sign in lost), error.end


codecs.register_error(_HANDLER, _plainly)


def make_printable(stream: TextIO) -> None:
    """See that nothing that is written to `stream` fails for its encoding."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors=_HANDLER)
