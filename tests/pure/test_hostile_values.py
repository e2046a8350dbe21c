"""Whatever a field of an object says, the whole decision about it stands: no exception, one answer, bounded, and soon.

`DDTAS_TEST_HOSTILE=20000` tries that many mutations; each run tries some. `-s` prints the longest.
"""

import json
import os
from dataclasses import fields, replace
from datetime import UTC, datetime
from functools import cache
from typing import Any

import hostile
from builders import BODIES, NOW, REACHABLE, City, listing_body, platform_body
from hostile import CLOCK, HOLD_SECONDS, Place
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from ddtas.api.installation import Installation
from ddtas.api.listing import AppListing
from ddtas.api.platform import MunicipalityPlatform, MunicipalityPlatformStatus
from ddtas.errors import InvalidObject
from ddtas.plan.capabilities.needs import needs
from ddtas.plan.decision.catalogue import fit, hypothetical, installable
from ddtas.plan.decision.decide import decide
from ddtas.plan.decision.preview import preview
from ddtas.plan.decision.situation import Situation
from ddtas.plan.reasons import Reason
from ddtas.plan.snapshot import Snapshot, SourceObservation
from ddtas.plan.status.changes import ChangeSet
from ddtas.plan.status.conditions import refused_status
from ddtas.plan.status.installation import awaited_status, held_status, installation_status
from ddtas.plan.status.listing import listing_status
from ddtas.plan.status.platform import platform_status

SEARCH = int(os.environ.get("DDTAS_TEST_HOSTILE", "0"))
MOST_BYTES = 400_000
MODELS = {"AppListing": AppListing, "MunicipalityPlatform": MunicipalityPlatform, "Installation": Installation}


@cache
def stages() -> dict[str, City]:
    """An Installation at the beginning, while it is calibrated, and while it serves."""
    body = listing_body()
    body["spec"]["versions"][0]["components"][0]["volumes"] = [{"name": "a", "mountPath": "/a", "size": "2Gi"}]
    made = {name: City(listing=body) for name in ("new", "calibrating", "serving", "upgrading")}
    made["calibrating"].settle()
    made["serving"].serving()
    made["upgrading"].serving()
    made["upgrading"].edit(parameters={"repetitions": 500})
    made["upgrading"].settle()
    for city in made.values():
        city.bind_volumes()
    return made


def judge(snapshot: Snapshot) -> list[Any]:
    """All that is worked out of a snapshot."""
    installation, listing, platform = snapshot.installation, snapshot.listing, snapshot.platform
    plan = CLOCK.of("decide", lambda: decide(snapshot))
    shown = CLOCK.of("preview", lambda: preview(snapshot))
    said: list[Any] = [
        CLOCK.of("status", lambda: installation_status(snapshot, plan, ChangeSet(), shown)),
        held_status(installation, Reason.APPLY_FAILED, "held", snapshot.now),
        awaited_status(installation, (snapshot.me,), snapshot.now),
    ]
    if isinstance(listing, AppListing):
        said.append(listing_status(listing, snapshot.policy, snapshot.now))
        for version in listing.spec.versions:
            needs(version)
    if isinstance(platform, MunicipalityPlatform):
        fits, version = [], installable(listing) if isinstance(listing, AppListing) else None  # type: ignore[assignment]
        if version is not None and isinstance(listing, AppListing):
            asked = hypothetical(listing.metadata.name, version.version, "voorbeeldstad", "voorbeeldstad")
            fits = [CLOCK.of("fit", lambda: fit(Situation.of(_with(snapshot, asked)), version))]
        about: Any = (snapshot.observations, {}, fits, snapshot.now)
        said.append(CLOCK.of("platform_status", lambda: platform_status(platform, *about)))
    return [plan.findings, [d.manifest for d in plan.desired], *(status.dump() for status in said)]


def _with(snapshot: Snapshot, installation: Installation) -> Snapshot:
    return replace(snapshot, installation=installation, children={})


def copied(stage: City) -> City:
    """A city as it is, to be changed."""
    return replace(stage, children=dict(stage.children))


def hold(city: City) -> None:
    """What must hold of any snapshot."""
    answer, again = judge(city.snapshot()), judge(city.snapshot())
    assert answer == again
    for part in answer[1:]:
        assert len(json.dumps(part)) < MOST_BYTES
        json.dumps(part, allow_nan=False)  # the API server takes no other


FACTS = [p for p in hostile.places("MunicipalityPlatform", "status") if p.path[1:4] == ("dataSources", 0, "facts")]
ASKS = ("spec", "versions", 0, "dataRequirements")


def all_places() -> list[Place]:
    return [p for kind in BODIES for p in hostile.places(kind)]


MUTATIONS = st.lists(
    st.sampled_from(all_places()).flatmap(lambda p: st.tuples(st.just(p), st.sampled_from(hostile.hostile(p)))),
    min_size=1,
    max_size=3,
)


def _body(city: City, kind: str) -> Any:
    return {"AppListing": city.listing, "MunicipalityPlatform": city.platform, "Installation": city.installation}[kind]


def tried(stage: City, mutations: list[tuple[Place, Any]]) -> None:
    """Mutate the objects of a stage, and judge what comes of it, as the operator does."""
    city = copied(stage)
    for place, value in mutations:
        body = hostile.put(_body(city, place.kind), place, value)
        body["metadata"]["generation"] = 7
        fault = refused(place.kind, body)
        if place.kind == "AppListing":
            city.listing = fault or body
        elif place.kind == "MunicipalityPlatform":
            city.platform = fault or body
        elif fault is None:
            city.installation = body
    hold(city)


def refused(kind: str, body: Any) -> str | None:
    """Why an object cannot be read, which goes into its status; None where it can."""
    model: Any = MODELS[kind]
    try:
        CLOCK.of("parse", lambda: model.parse(body))
    except InvalidObject as error:
        fault = str(error)
    else:
        return None
    status = refused_status(type(model.model_fields["status"].default)(), 7, fault, NOW)
    assert 0 < len(json.dumps(status.dump())) < 10_000
    return fault


@settings(max_examples=SEARCH or 50)
@given(st.sampled_from(list(stages())), MUTATIONS)
def test_whatever_the_fields_of_objects_say(stage: str, mutations: list[tuple[Place, Any]]) -> None:
    mutations = [(p, v) for n, (p, v) in enumerate(mutations) if p.kind not in {q.kind for q, _ in mutations[:n]}]
    tried(stages()[stage], mutations)


def _texts_of(facts: object) -> list[str]:
    return [f.name for f in fields(facts) if isinstance(getattr(facts, f.name), str | datetime | int | None)]  # type: ignore[arg-type]


MOMENTS = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC))
LITERALS = {"state"}  # made by ourselves, and not what others say


@settings(max_examples=SEARCH or 50)
@given(st.sampled_from(["calibrating", "serving", "upgrading"]), st.data())
def test_whatever_children_say(stage: str, data: st.DataObject) -> None:
    """Children are in a city's own cluster, whose API server may say anything."""
    city = copied(stages()[stage])
    for _ in range(data.draw(st.integers(1, 2))):
        key = data.draw(st.sampled_from(sorted(city.children)))
        child = city.children[key]
        what = data.draw(
            st.sampled_from(["revision", "component", "phase", "applied", "asked", "owner_uid", "data", "facts"])
        )
        if what == "facts" and child.facts is not None:
            name = data.draw(st.sampled_from([n for n in _texts_of(child.facts) if n not in LITERALS] or ["phase"]))
            if not hasattr(child.facts, name):
                continue
            old = getattr(child.facts, name)
            new: Any = data.draw(st.sampled_from(MOMENTS if name == "finished_at" else hostile.TEXTS))
            if isinstance(old, int) or name == "exit_code":
                new = data.draw(st.sampled_from(hostile.NUMBERS))
            city.children[key] = replace(child, facts=replace(child.facts, **{name: new}))
        elif what != "facts":
            city.children[key] = replace(child, **{what: data.draw(st.sampled_from(hostile.TEXTS))})  # type: ignore[arg-type]
    hold(city)


@settings(max_examples=SEARCH or 50)
@given(st.sampled_from(list(stages())), st.sampled_from(FACTS), st.data())
def test_whatever_sources_say(stage: str, place: Place, data: st.DataObject) -> None:
    """What a probe found, as far as its model lets it in, against an app that asks for everything."""
    city = copied(stages()[stage])
    status = hostile.put({"status": {}}, place, data.draw(st.sampled_from(hostile.hostile(place))))["status"]
    try:
        found = MunicipalityPlatformStatus.model_validate(status).data_sources[0].facts
    except (ValidationError, IndexError):
        return
    asks = data.draw(st.sampled_from([p for p in hostile.places("AppListing") if p.path[:4] == ASKS and p.path[4:]]))
    values = hostile.valid(asks.schema)
    if values:
        city.listing = hostile.put(city.listing, asks, data.draw(st.sampled_from(values)))  # type: ignore[arg-type]
        try:
            AppListing.parse(city.listing)
        except InvalidObject:
            return
    city.observations = {
        "river-gauge": SourceObservation(
            "Reachable", "Read", "", found, probed_at=data.draw(st.sampled_from((None, *MOMENTS)))
        )
    }
    hold(city)


def widest(sources: int) -> City:
    """An app that asks for as much as a listing can say, on a platform with many sources that nearly have it."""
    city = City(listing=listing_body(), platform=platform_body())
    version: Any = city.listing["spec"]["versions"][0]  # type: ignore[index]
    source: Any = city.platform["spec"]["dataSources"][0]  # type: ignore[index]
    fields_ = [{"name": f"f{n}", "type": "number", "unit": "mm"} for n in range(64)]
    asked = version["dataRequirements"][0] | {
        "fields": fields_,
        "quality": [
            {"name": f"q{n}", "metric": "rowCount", "operator": "mustBeGreaterThan", "value": "1", "unit": "rows"}
            for n in range(32)
        ],
        "upstreamMetrics": [{"metric": f"m{n}", "operator": "mustBe", "value": "1"} for n in range(16)],
    }
    source["contract"]["fields"] = fields_[1:]
    version["dataRequirements"] = [asked | {"name": f"r{n}"} for n in range(16)]
    city.platform["spec"]["dataSources"] = [source | {"name": f"s{n}"} for n in range(sources)]  # type: ignore[index]
    city.observations = {f"s{n}": REACHABLE for n in range(sources)}
    return city


def test_the_widest_app_is_decided_on_in_short_turns() -> None:
    """Sixteen requirements of over a hundred checks each, against dozens of sources: each pause comes soon."""
    snapshot, turns = widest(40).snapshot(), 0
    steps = decide.turns(snapshot)
    try:
        while True:
            CLOCK.of("a turn of decide", lambda: next(steps))
            turns += 1
    except StopIteration as done:
        plan = done.value
    assert turns > 16 * 40
    assert plan == decide(snapshot)
    status = installation_status(snapshot, plan, ChangeSet(), None)
    assert len(json.dumps(status.dump())) < 1_000_000
    for binding in status.bindings:
        assert any(c.declared == "NotMet" for c in binding.checks), "what stands in the way is shown"


def test_nothing_held_the_event_loop() -> None:
    print(f"\nlongest: {CLOCK.longest * 1000:.1f} ms in {CLOCK.what}")
    assert CLOCK.longest < HOLD_SECONDS
