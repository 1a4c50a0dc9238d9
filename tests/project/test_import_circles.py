"""No circle of modules: what a module needs never needs it back."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FLOORS = ("systems", "models", "actors", "orchestrator")

Graph = Mapping[str, frozenset[str]]


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(("msgen", *(parts[:-1] if parts[-1] == "__init__" else parts)))


MODULES = {
    module_name(path): path for floor in FLOORS for path in sorted((ROOT / floor).rglob("*.py"))
}


def imported(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    """Modules of ours that a statement names; all imports of ours are absolute."""
    names = [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        inside = [f"{node.module}.{name}" for name in names]
        names = [name if name in MODULES else str(node.module) for name in inside]
    yield from (name for name in names if name in MODULES)


def imports(tree: ast.Module, *, late: bool = False, types: bool = False) -> Iterator[str]:
    """What is imported when the module is; `late`: in functions, too; `types`: for types, too."""
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from imported(node)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            waiting += node.body * types + node.orelse
        elif late or not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            waiting.extend(ast.iter_child_nodes(node))


def graph(*, late: bool = False, types: bool = False) -> Graph:
    trees = {name: ast.parse(path.read_text()) for name, path in MODULES.items()}
    found = {name: set(imports(tree, late=late, types=types)) for name, tree in trees.items()}
    return {name: frozenset(others - {name}) for name, others in found.items()}


def circles(edges: Graph) -> list[list[str]]:
    """Strongly connected components of more than one module (Tarjan 1972), each sorted."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:
        index[name] = low[name] = len(index)
        stack.append(name)
        for other in sorted(edges[name]):
            if other not in index:
                visit(other)
                low[name] = min(low[name], low[other])
            elif other in stack:
                low[name] = min(low[name], index[other])
        if low[name] == index[name]:
            at = stack.index(name)
            component, stack[at:] = stack[at:], []
            if len(component) > 1:
                found.append(sorted(component))

    for name in edges:
        if name not in index:
            visit(name)
    return sorted(found)


def test_no_circle_is_imported() -> None:
    assert circles(graph()) == []


def test_no_circle_is_hidden_in_a_function() -> None:
    assert circles(graph(late=True)) == []


def test_a_circle_is_found() -> None:
    edges = {"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": set(), "e": {"e"}}
    assert circles({k: frozenset(v) for k, v in edges.items()}) == [["a", "b", "c"]]


def test_imports_are_told_apart() -> None:
    text = "import msgen.models\ndef f():\n    import msgen.models.kde\n"
    tree = ast.parse(text + "if TYPE_CHECKING:\n    from msgen.models import base\n")
    now, late, base = {"msgen.models"}, {"msgen.models.kde"}, {"msgen.models.base"}
    assert set(imports(tree)) == now
    assert set(imports(tree, late=True)) == now | late
    assert set(imports(tree, types=True)) == now | base


if __name__ == "__main__":
    for what, late, types in (
        ("at import", False, False),
        ("in functions, too", True, False),
        ("for types, too", False, True),
        ("all together", True, True),
    ):
        print(
            f"{what}:", *(" ".join(c) for c in circles(graph(late=late, types=types))), sep="\n  "
        )
