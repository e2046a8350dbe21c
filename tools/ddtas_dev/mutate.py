"""How much the tests notice: small faults are put into a module, one at a time, and the tests should fail at each.

A mutant is a change of one node of the syntax tree. Its process is a fork of one that has imported what takes long, so
that a mutant costs about a second; nothing is written to the tree.
"""

import argparse
import ast
import copy
import importlib.abc
import importlib.machinery
import importlib.util
import os
import random
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import cast

from ddtas_dev.console import DevError, say
from ddtas_dev.paths import REPO

PACKAGE = REPO / "operator"
TESTS = REPO / "tests" / "pure"
_PATIENCE = 10  # a mutant may take this many times the processor time of the tests without one
_LEAST_SECONDS = 30
_OTHER: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.And: ast.Or, ast.Or: ast.And,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.Div: ast.Mult, ast.Break: ast.Continue,
}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """A module with one fault.

    Attributes:
        line: where it is.
        change: what is in place of what.
        code: the module, compiled.
    """

    line: int
    change: str
    code: CodeType


def mutate(targets: Sequence[str], arguments: Sequence[str]) -> int:
    """Run in a process of its own, which has imported nothing of the operator."""
    command = [sys.executable, "-m", "ddtas_dev.mutate", *targets, *arguments]
    os.execve(sys.executable, command, {**os.environ, "PYTHONPATH": str(REPO / "tools")})  # noqa: S606


def main() -> int:
    """Mutate modules, and show what survived; 1 where something did."""
    parser = argparse.ArgumentParser(prog="./dev mutate", description=__doc__)
    parser.add_argument(
        "targets", nargs="+", metavar="PATH", help="module or folder in operator/ddtas, such as plan/runs"
    )
    parser.add_argument(
        "--sample", type=int, default=0, help="as many mutants of each module, by chance (default: all)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of that chance")
    parser.add_argument(
        "--tests", nargs="+", type=Path, help="the tests that should notice (default: see CONTRIBUTING)"
    )
    chosen = parser.parse_args()
    _preload()
    dead = all_ = 0
    for target in chosen.targets:
        for module in _modules(PACKAGE / "ddtas" / target):
            killed, made = _judge(module, chosen.tests or _tests_of(module), chosen.sample, chosen.seed)
            dead, all_ = dead + killed, all_ + made
    say(f"{dead} of {all_} mutants were noticed: {dead / all_:.0%}" if all_ else "there is nothing to mutate")
    return 0 if dead == all_ else 1


def _preload() -> None:
    """Import what all mutants need, and of the operator nothing."""
    for name in ("pytest", "hypothesis", "pydantic", "yaml", "prometheus_client", "aiohttp"):
        importlib.import_module(name)


def _modules(path: Path) -> list[Path]:
    found = sorted(path.rglob("*.py")) if path.is_dir() else [path]
    if not all(module.exists() for module in found) or not found:
        raise DevError(f"there is no {path}: name a module or folder of operator/ddtas, such as plan/runs")
    return found


def _tests_of(module: Path) -> list[Path]:
    """The module's own tests, which notice most and soonest; then those of the nearest folder that has some."""
    folder = TESTS / module.relative_to(PACKAGE / "ddtas").parent
    own = [folder / f"test_{module.stem}.py"]
    while not folder.is_dir():
        folder = folder.parent
    return [*(path for path in own if path.exists()), folder]


def _judge(module: Path, tests: Sequence[Path], sample: int, seed: int) -> tuple[int, int]:
    """Try mutants of one module: how many were noticed, and how many there were."""
    left = list(mutants_of(module))
    if sample and len(left) > sample:
        left = sorted(random.Random(seed).sample(left, sample), key=lambda m: m.line)  # noqa: S311
    made, name = len(left), str(module.relative_to(PACKAGE / "ddtas"))
    for path in tests:
        if not left:
            break
        began = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        if not _passes(module, None, path, 0):
            raise DevError(f"without any mutant, a test fails in {path}")
        used = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - began
        left = [m for m in left if _passes(module, m.code, path, int(max(_LEAST_SECONDS, _PATIENCE * used)))]
    say(f"{name}: {made - len(left)} of {made} were noticed")
    for mutant in left:
        say(f"  {name}:{mutant.line}: {mutant.change}")
    return made - len(left), made


def _passes(module: Path, code: CodeType | None, tests: Path, limit: int) -> bool:
    """Whether the tests pass with this in place of the module."""
    child = os.fork()
    if child == 0:
        status = 3
        try:
            status = _in_child(module, code, tests, limit)
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def _in_child(module: Path, code: CodeType | None, tests: Path, limit: int) -> int:
    import pytest

    quiet = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(quiet, stream)
    if limit:
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 1))
    if code is not None:
        sys.meta_path.insert(0, _Instead(module, code))
    os.chdir(REPO)
    options = ["-x", "-q", "-n", "0", "-p", "no:cacheprovider", "--hypothesis-seed=0", f"--rootdir={REPO}"]
    return int(pytest.main([*options, str(tests)]))


class _Instead(importlib.abc.MetaPathFinder):
    """Has one module be another code than that of its file."""

    def __init__(self, module: Path, code: CodeType) -> None:
        parts = module.relative_to(PACKAGE).with_suffix("").parts
        self._name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        self._module, self._code = module, code

    def find_spec(self, fullname: str, path: object, target: object = None) -> importlib.machinery.ModuleSpec | None:
        """Only of that module."""
        if fullname != self._name:
            return None
        return importlib.util.spec_from_file_location(fullname, self._module, loader=_Loader(self._module, self._code))


class _Loader(importlib.machinery.SourceFileLoader):
    def __init__(self, module: Path, code: CodeType) -> None:
        super().__init__(module.stem, str(module))
        self._code = code

    def get_code(self, fullname: str) -> CodeType:
        """The mutant."""
        self.name = fullname
        return self._code


# ---- what is changed ----


def mutants_of(module: Path) -> Iterator[Mutant]:
    """All mutants of a module, in the order of its lines."""
    tree = ast.parse(module.read_text())
    skipped = {id(node) for part in _not_code(tree) for node in ast.walk(part)}
    nodes = [node for node in ast.walk(tree) if id(node) not in skipped]
    for number, node in sorted(enumerate(nodes), key=lambda pair: getattr(pair[1], "lineno", 0)):
        for variant in range(len(_variants(node))):
            copied = copy.deepcopy(tree)
            gone = {i for i, n in enumerate(ast.walk(tree)) if id(n) in skipped}
            there = [n for i, n in enumerate(ast.walk(copied)) if i not in gone][number]
            before, after = ast.unparse(there), _variants(there)[variant]
            changed = _Swap(there, after).visit(copied)
            code = compile(ast.fix_missing_locations(cast("ast.Module", changed)), str(module), "exec")
            yield Mutant(getattr(node, "lineno", 0), f"`{_short(before)}` as `{_short(ast.unparse(after))}`", code)


def _not_code(tree: ast.AST) -> Iterator[ast.AST]:
    """Annotations, texts in messages, and what only type checkers read: nobody notices a change of them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.arg | ast.AnnAssign) and node.annotation is not None:
            yield node.annotation
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.returns is not None:
            yield node.returns
        elif isinstance(node, ast.JoinedStr | ast.Import | ast.ImportFrom):
            yield node
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield from node.decorator_list


class _Swap(ast.NodeTransformer):
    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self._old, self._new = old, new

    def visit(self, node: ast.AST) -> ast.AST:
        """Replace the one node."""
        return self._new if node is self._old else super().generic_visit(node)


def _variants(node: ast.AST) -> list[ast.AST]:
    """What may be in place of a node."""
    match node:
        case ast.Compare(ops=[operator]) if type(operator) in _OTHER:
            return [ast.Compare(node.left, [_new(operator)], node.comparators)]  # type: ignore[list-item]
        case ast.BoolOp(values=values):
            without = [values[:i] + values[i + 1 :] for i in range(len(values))]
            fewer = [left[0] if len(left) == 1 else ast.BoolOp(node.op, left) for left in without]
            return [ast.BoolOp(_new(node.op), values), *fewer]  # type: ignore[arg-type]
        case ast.BinOp() if type(node.op) in _OTHER:
            return [ast.BinOp(node.left, _new(node.op), node.right)]  # type: ignore[arg-type]
        case ast.UnaryOp(op=ast.Not()):
            return [node.operand]
        case ast.Constant(value=bool()):
            return [ast.Constant(not node.value)]
        case ast.Constant(value=int() | float()):
            return [ast.Constant(node.value + 1)]  # type: ignore[operator]
        case ast.IfExp():
            return [node.body, node.orelse]
        case ast.comprehension(ifs=[_, *_]):
            return [ast.comprehension(node.target, node.iter, [], node.is_async)]
        case ast.If() if not isinstance(node.test, ast.BoolOp | ast.Compare):
            return [ast.If(ast.UnaryOp(ast.Not(), node.test), node.body, node.orelse)]
        case ast.Return(value=ast.expr() as value) if not isinstance(value, ast.Constant):
            return [ast.Return(ast.Constant(None))]
        case ast.Break():
            return [ast.Continue()]
    return []


def _new(operator: ast.AST) -> ast.AST:
    return _OTHER[type(operator)]()


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 70 else f"{line[:67]}..."


if __name__ == "__main__":
    began = time.monotonic()
    code = main()
    say(f"in {time.monotonic() - began:.0f} s")
    sys.exit(code)
