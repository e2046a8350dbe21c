"""Each kind has a probe, and its module is there: it is imported only when a source of that kind is looked at."""

import inspect
import subprocess
import sys
from importlib import import_module

import pytest

from ddtas.data.contract import DataKind
from ddtas.data.registry import REGISTRY

MODULES = {kind: kind.value.replace("-", "_") for kind in DataKind} | {DataKind.TILES_3D: "tiles_3d"}


@pytest.mark.parametrize("kind", DataKind)
def test_each_kind_has_a_probe_of_its_own(kind: DataKind) -> None:
    closure = inspect.getclosurevars(REGISTRY[kind]).nonlocals
    assert closure["module"] == MODULES[kind]
    assert inspect.iscoroutinefunction(import_module(f"ddtas.data.kinds.{MODULES[kind]}.probe").probe)


def test_the_operator_imports_no_library_of_a_protocol_that_nobody_uses() -> None:
    heavy = ("psycopg", "ijson", "pint", "pyproj", "shapely", "pyarrow")
    code = f"import sys, ddtas.handlers; print([m for m in {heavy} if m in sys.modules])"
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONPATH": ":".join(sys.path)}
    )
    assert said.stdout.strip() == "[]"
