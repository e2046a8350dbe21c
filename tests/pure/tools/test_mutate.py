"""Which faults are put into a module, and that none is put where nobody could notice it."""

from pathlib import Path

import pytest

from ddtas_dev.mutate import mutants_of

HEAD = 'def f(a: int = 0, *b: int) -> int:\n    """Text."""\n    '


@pytest.mark.parametrize(
    ("statement", "changes"),
    [
        ("pass", ["`0` as `1`"]),
        ("g(a < b)", ["`0` as `1`", "`a < b` as `a <= b`"]),
        ("g(a and b)", ["`0` as `1`", "`a and b` as `a or b`", "`a and b` as `b`", "`a and b` as `a`"]),
        ("g(not a)", ["`0` as `1`", "`not a` as `a`"]),
        ("g(a if c else b)", ["`0` as `1`", "`a if c else b` as `a`", "`a if c else b` as `b`"]),
        ("return a", ["`0` as `1`", "`return a` as `return None`"]),
        ("g([x for x in b if x])", ["`0` as `1`", "`for x in b if x` as `for x in b`"]),
        ("g(f'{a + b} and more')", ["`0` as `1`"]),
    ],
)
def test_what_is_changed(statement: str, changes: list[str], tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text(f"{HEAD}{statement}\n")
    assert sorted(mutant.change for mutant in mutants_of(module)) == sorted(changes)


def test_a_mutant_is_the_module_with_that_change(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text("def f(a, b):\n    return a < b\n")
    answers = []
    for mutant in mutants_of(module):
        names: dict[str, object] = {}
        exec(mutant.code, names)  # noqa: S102 - what it is for
        answers.append(names["f"](1, 1))  # type: ignore[operator]
    assert answers == [None, True]
