"""In one decision nothing is computed twice."""

import sys
from collections import Counter
from collections.abc import Callable
from functools import cached_property
from inspect import CO_GENERATOR
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest
from builders import City

import ddtas.plan
from ddtas.plan.decision.decide import decide
from ddtas.plan.decision.plan import Plan
from ddtas.plan.snapshot import Snapshot

ROOT = str(Path(ddtas.plan.__file__).parent)
# What reads a value off another one, or writes one in another form, costs less than keeping it. All else is held.
LEAVES = (
    "quantity.py",
    "snapshot.py",
    "capabilities/needs.py:runs",
    "capabilities/room.py:fetches",
    "children/desired.py",
    "children/manifests.py:Renderer.labels",
    "children/manifests.py:Renderer.name",
    "children/manifests.py:Renderer.url",
    "children/manifests.py:_thresholds",
    "children/network_policy.py:_namespace",
    "children/network_policy.py:_port",
    "children/network_policy.py:_servers",
    "children/orders.py:read_by",
    "children/orders.py:tables",
    "children/orders.py:key",
    "children/volumes.py:_wanted_class",
    "children/volumes.py:_parts",
    "children/wiring.py:_place",
    "children/wiring.py:_base64",
    "decision/bind.py:_doubt",  # of one source, for two revisions
    "reasons.py:Reason.named",
    "runs/evidence.py:is_final",
    "runs/recalibration.py:due",  # before and after the runs are assessed: the same where nothing new came in
    "matching/",  # the checks of one pair of requirement and source; that there is one such pair is counted below
)
# What a decision about an upgrade takes, of what is expensive.
ONCE = (
    "decision/target.py:find_target",
    "decision/rules.py:accept",
    "versions/past.py:_serving",
    "versions/past.py:Past.serving_version",
    "versions/choice.py:_choose",
    "versions/choice.py:standing",
    "versions/parameters.py:effective",
    "capabilities/requirements.py:checks",
    "matching/binding.py:bind",
    "runs/recalibration.py:measured_digest",
    "children/volumes.py:mine",
    "decision/situation.py:Situation.frozen",
    "decision/compose.py:compose",
)
TWICE = (  # for the revision that is asked for, and for the one that serves
    "revision.py:RevisionInputs.id",
    "decision/bind.py:wire",
    "decision/view.py:RevisionView.bindings",
    "decision/view.py:RevisionView.claims",
    "decision/view.py:RevisionView.products",
    "decision/view.py:RevisionView.base",
    "decision/view.py:RevisionView.status",
    "children/volumes.py:claims",
    "twins/upstreams.py:used_products",
)


def _getters() -> set[CodeType]:
    """The properties: those that are not kept read a value off."""
    found = set()
    for name, module in list(sys.modules.items()):
        if name.startswith("ddtas.plan."):
            for cls in [c for c in vars(module).values() if isinstance(c, type)]:
                getters = [p.fget for p in vars(cls).values() if isinstance(p, property)]
                found |= {g.__code__ for g in getters if g is not None and hasattr(g, "__code__")}
    return found


class Calls:
    """Counts the calls of functions in plan/, and those with the same arguments as before."""

    def __init__(self) -> None:
        self.by_name: Counter[str] = Counter()
        self._same: Counter[tuple[Any, ...]] = Counter()
        self._kept: list[Any] = []  # else the next object may have the address of one that is gone
        self._generators: dict[int, FrameType] = {}
        self._getters = _getters()

    @property
    def repeated(self) -> set[str]:
        """The functions that were called twice with the same arguments."""
        return {key[0] for key, count in self._same.items() if count > 1}

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        """See `sys.setprofile`."""
        code = frame.f_code
        if event != "call" or not code.co_filename.startswith(ROOT) or "<" in code.co_name:
            return
        if code.co_flags & CO_GENERATOR:
            if id(frame) in self._generators:
                return  # it goes on after a pause
            self._generators[id(frame)] = frame
        name = f"{code.co_filename[len(ROOT) + 1 :]}:{code.co_qualname}"
        self.by_name[name] += 1
        if code in self._getters or "<locals>" in name:
            return
        names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        arguments = [frame.f_locals.get(argument) for argument in names]
        self._kept.append(arguments)
        self._same[name, *map(_identity, arguments)] += 1


def _identity(value: Any) -> Any:
    plain = isinstance(value, str | int | float | bool | type(None))
    return (type(value), value) if plain else id(value)


def counted(snapshot: Snapshot) -> tuple[Plan, Calls]:
    calls = Calls()
    before = sys.getprofile()
    sys.setprofile(calls)
    try:
        plan = decide(snapshot)
    finally:
        sys.setprofile(before)
    return plan, calls


def upgrading() -> City:
    """One version serves, and the next one is being calibrated."""
    city = City()
    city.serving()
    assert isinstance(city.listing, dict)
    first = city.listing["spec"]["versions"][0]
    second = {**first, "version": "9.0.0", "calibration": {**first["calibration"], "timeoutSeconds": 1234}}
    city.listing["spec"]["versions"] = [first, second]
    city.edit(version="9.0.0")
    city.settle()
    return city


def converged() -> City:
    city = City()
    city.serving()
    return city


def calibrated() -> City:
    city = City()
    city.calibrated()
    return city


def refused() -> City:
    city = City()
    city.edit(parameters={"seed": -1})
    return city


@pytest.mark.parametrize("there", [upgrading, converged, calibrated, refused, City])
def test_no_function_is_called_twice_with_the_same_arguments(there: Callable[[], City]) -> None:
    _, calls = counted(there().snapshot())
    assert {name for name in calls.repeated if not name.startswith(LEAVES)} == set()


def test_an_upgrade_is_decided_by_one_walk() -> None:
    plan, calls = counted(upgrading().snapshot())
    assert plan.revision != plan.serving
    assert plan.finding("Serving").reason == "KeepsServing"
    assert {name: calls.by_name[name] for name in ONCE} == dict.fromkeys(ONCE, 1)
    assert {name: calls.by_name[name] for name in TWICE} == dict.fromkeys(TWICE, 2)


def test_what_is_counted_is_there() -> None:
    """A name that nothing has any more would be counted as 0 for ever."""
    _, calls = counted(upgrading().snapshot())
    assert {name for name in (*ONCE, *TWICE) if not calls.by_name[name]} == set()


def test_the_count_sees_what_is_computed_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    from ddtas.plan.decision.situation import Situation

    kept = Situation.__dict__["chosen"]
    assert isinstance(kept, cached_property)
    monkeypatch.setattr(Situation, "chosen", property(kept.func))
    _, calls = counted(upgrading().snapshot())
    assert "versions/choice.py:choose" in calls.repeated
