"""Makes mutants of Python sources: small changes of one file each, chosen by a seed."""

from __future__ import annotations

import ast
import random
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# Kinds that change the body of a function alone.
BODIES = ("condition", "constant", "return", "statement")
KINDS = (
    *BODIES,
    "module constant",
    "default",
    "decorator",
    "class body",
    "data",
    "conftest fixture",
)


@dataclass(frozen=True)
class Mutant:
    """One change: a range of a file, in bytes, and what takes its place."""

    kind: str
    path: str
    line: int
    begin: int
    end: int
    new: bytes

    @property
    def where(self) -> str:
        """The place; with the kind it names one mutant."""
        return f"{self.path}:{self.line}:{self.begin}"

    def content(self, raw: bytes) -> bytes | None:
        """The new content of the file; None if nothing would change, or Python refuses it."""
        content = raw[: self.begin] + self.new + raw[self.end :]
        if self.path.endswith(".py"):
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    compile(content, self.path, "exec", dont_inherit=True)
            except (SyntaxError, ValueError):
                return None
        return None if content == raw else content


def mutants(root: Path, sources: str, seed: int) -> Iterator[Mutant]:
    """All mutants of sources below a folder, of conftests and of data: of every kind by turns."""
    rng = random.Random(seed)
    by_kind: dict[str, list[Mutant]] = {kind: [] for kind in KINDS}
    for path in sorted((root / sources).rglob("*.py")):
        is_test = path.name.startswith("test_") or "tests" in path.relative_to(root).parts
        if not is_test:
            for mutant in _of_source(root, path):
                by_kind[mutant.kind].append(mutant)
    for path in sorted(root.rglob("conftest.py")):
        for mutant in _of_source(root, path):
            if mutant.kind in BODIES:
                place = mutant.line, mutant.begin, mutant.end, mutant.new
                by_kind["conftest fixture"].append(Mutant("conftest fixture", mutant.path, *place))
    for path in sorted(root.rglob("*")):
        inside = path.relative_to(root)
        is_hidden = any(part.startswith(".") for part in inside.parts)
        is_data = path.suffix in (".txt", ".json", ".html", ".csv", ".yml", ".zip")
        if path.is_file() and is_data and not is_hidden and "tests" in inside.parts:
            size = path.stat().st_size
            change = Mutant("data", str(inside), 0, max(size - 1, 0), size, b"\n\x01")
            by_kind["data"].append(change)
    pools = {kind: rng.sample(found, len(found)) for kind, found in by_kind.items() if found}
    while pools:
        for kind in list(pools):
            yield pools[kind].pop()
            if not pools[kind]:
                del pools[kind]


def _of_source(root: Path, path: Path) -> list[Mutant]:
    raw = path.read_bytes()
    starts = [0]
    for line in raw.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    found: dict[tuple[str, int, int], Mutant] = {}

    def replace(kind: str, node: ast.AST, new: str) -> None:
        begin = starts[node.lineno - 1] + node.col_offset  # type: ignore[attr-defined]
        end = starts[node.end_lineno - 1] + node.end_col_offset  # type: ignore[attr-defined]
        line: int = node.lineno  # type: ignore[attr-defined]
        inside = str(path.relative_to(root))
        found[kind, begin, end] = Mutant(kind, inside, line, begin, end, new.encode())

    def constant(kind: str, node: ast.expr) -> None:
        if isinstance(node, ast.Constant):
            value = node.value
            if isinstance(value, bool):
                replace(kind, node, str(not value))
            elif isinstance(value, int):
                replace(kind, node, str(value + 1))
            elif isinstance(value, str) and value and "\n" not in value:
                replace(kind, node, repr(value + "x"))
            elif value is None:
                replace(kind, node, "0")

    def body(function: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        is_documented = ast.get_docstring(function, clean=False) is not None
        for statement in function.body[1 if is_documented else 0 :]:
            for node in ast.walk(statement):
                if isinstance(node, (ast.If, ast.While, ast.IfExp)):
                    replace("condition", node.test, f"not ({ast.unparse(node.test)})")
                elif isinstance(node, ast.Constant):
                    constant("constant", node)
                elif isinstance(node, ast.Return) and node.value is not None:
                    replace("return", node.value, "None")
                elif isinstance(node, (ast.Expr, ast.Assign, ast.AugAssign)):
                    replace("statement", node, "pass")

    def definitions(statements: list[ast.stmt], in_class: bool) -> None:
        for statement in statements:
            if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
                body(statement)
                for default in [*statement.args.defaults, *statement.args.kw_defaults]:
                    if default is not None:
                        constant("default", default)
                for decorator in statement.decorator_list:
                    replace("decorator", decorator, "(lambda decorated: decorated)")
            elif isinstance(statement, ast.ClassDef):
                definitions(statement.body, True)
            elif isinstance(statement, (ast.Assign, ast.AnnAssign)) and statement.value is not None:
                for node in ast.walk(statement.value):
                    if isinstance(node, ast.Constant):
                        constant("class body" if in_class else "module constant", node)
            elif isinstance(statement, (ast.If, ast.Try)):
                definitions([*statement.body, *statement.orelse], in_class)

    try:
        definitions(ast.parse(raw.decode()).body, False)
    except (SyntaxError, ValueError):
        return []
    return list(found.values())
