"""Each kind has a probe, and its module is there: it is imported only when a source of that kind is looked at."""

import inspect
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
