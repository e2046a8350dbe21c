"""Objects made from our CRDs' schemas and then made hostile, on a real API server with a real operator.

What is let in gets a status or a condition, and no neighbour is harmed. `DDTAS_TEST_MUTATIONS=1000` tries that many.
"""

import json
import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import cluster_apps as apps
import hostile
from cluster_city import City
from cluster_kit import KINDS, JsonObject, eventually
from cluster_operator import Operator
from hostile import Place
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from resolver.loop_holds import LIMIT_SECONDS, Hold

MUTATIONS = int(os.environ.get("DDTAS_TEST_MUTATIONS", "60"))
# Of one mutation, on average: what is written for the object itself, those that depend on it, and their children.
MOST_REQUESTS, MOST_RECONCILES = 60, 60
KINDS_OF_OURS = ("AppListing", "MunicipalityPlatform", "Installation")


def mutations() -> st.SearchStrategy[tuple[Place, Any]]:
    """A field, and what to put there: mostly what the schema lets in."""

    def at(places: list[Place], values: Callable[[Place], Sequence[Any]]) -> st.SearchStrategy[tuple[Place, Any]]:
        return st.sampled_from(places).flatmap(lambda p: st.tuples(st.just(p), st.sampled_from(values(p))))

    def of(kind: str) -> st.SearchStrategy[tuple[Place, Any]]:
        leaves = [p for p in hostile.places(kind) if hostile.valid(p.schema)]
        let_in = at(leaves, lambda p: hostile.valid(p.schema))
        return st.one_of(let_in, let_in, let_in, at(list(hostile.places(kind)), lambda p: hostile.JUNK))

    return st.sampled_from(KINDS_OF_OURS).flatmap(of)


class Storm:
    """A few objects of each kind, which are edited, deleted and made again."""

    def __init__(self, city: City) -> None:
        self.city, self.cluster = city, city.cluster
        self.counts: Counter[str] = Counter()
        space = city.namespace
        self.good: dict[str, list[JsonObject]] = {
            "AppListing": [apps.listing(f"{city.app}-{n}") for n in range(2)],
            "MunicipalityPlatform": [
                apps.platform(space, apps.source(city.supplier.url()), name=f"oup-{n}") for n in range(3)
            ],
            "Installation": [
                apps.installation(space, f"inst-{n}", f"{city.app}-{n % 2}", platform=f"oup-{n % 3}") for n in range(6)
            ],
        }
        for bodies in self.good.values():
            for body in bodies:
                self.cluster.apply(body)

    def path(self, body: JsonObject, subresource: str = "") -> str:
        meta = body["metadata"]
        return KINDS[body["kind"]].path(meta.get("namespace"), meta["name"]) + subresource

    def live(self, body: JsonObject) -> JsonObject | None:
        status, answer = self.cluster.raw("GET", self.path(body))
        return json.loads(answer) if status == 200 else None

    def strike(self, pick: int, place: Place, value: Any, anew: bool) -> None:
        """Put one mutation into one object."""
        bodies = self.good[place.kind]
        good = bodies[pick % len(bodies)]
        self.counts["tried"] += 1
        status = place.path[0] == "status"
        if anew and not status:
            self.cluster.raw("DELETE", self.path(good))
        live = self.live(good)
        made = hostile.put(live if status and live is not None else good, place, value)
        if live is not None:
            made["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"]
        try:
            json.dumps(made, allow_nan=False)
        except (ValueError, OverflowError):
            self.counts["no JSON"] += 1
            return
        if live is None:
            code, answer = self.cluster.raw("POST", KINDS[place.kind].path(good["metadata"].get("namespace")), made)
        else:
            code, answer = self.cluster.raw("PUT", self.path(good, "/status" if status else ""), made)
        self.counts[f"{place.kind}: {'let in' if code < 400 else 'refused' if code in (400, 422) else code}"] += 1
        if code in (400, 422) and os.environ.get("DDTAS_TEST_SHOW"):
            print(place, repr(value)[:60], answer.decode()[:600].partition("message")[2][:300])
        assert code < 400 or code in (400, 404, 409, 413, 422, 500), answer[:300]

    def unsettled(self) -> list[str]:
        """Objects whose status does not speak of their newest generation."""
        found = []
        for body in (b for bodies in self.good.values() for b in bodies):
            live = self.live(body)
            if live is None or live["metadata"].get("deletionTimestamp"):
                continue
            known = live.get("status", {})
            ready = [c for c in known.get("conditions", ()) if c["type"] == "Ready" and c["reason"]]
            if known.get("observedGeneration") != live["metadata"]["generation"] or not ready:
                found.append(f"{body['kind']} {body['metadata']['name']}: {known.get('conditions')}")
        return found


def reconciles(operator: Operator) -> int:
    _, text = operator.get("/metrics")
    return sum(int(float(line.split()[-1])) for line in text.splitlines() if line.startswith("ddtas_reconciles_total{"))


def longest(holds: list[Hold]) -> list[str]:
    """What held the event loop longest, for a person."""
    return [f"{1000 * h.seconds:.0f} ms ({1000 * h.collecting:.0f} gc) {h.what}" for h in sorted(holds)[:-4:-1]]


def test_mutations_of_the_schemas(city: City) -> None:
    operator = city.start()
    storm = Storm(city)
    eventually("statuses", lambda: not storm.unsettled())
    city.store()
    city.platform()
    mark, before, started = city.cluster.mark(), reconciles(operator), time.monotonic()
    neighbours: list[Any] = []

    @seed(int(os.environ.get("DDTAS_TEST_SEED", "1")))
    @settings(
        max_examples=MUTATIONS,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.integers(0, 5), mutations(), st.booleans())
    def strike(pick: int, mutation: tuple[Place, Any], anew: bool) -> None:
        if storm.counts["tried"] == MUTATIONS // 3:
            neighbours.append(city.install("neighbour"))
        storm.strike(pick, *mutation, anew=anew and pick == 0)
        assert operator.running

    strike()
    neighbours[0].served()
    for body in storm.good["Installation"]:  # whatever they are bound to by now, they have said so
        storm.cluster.raw("PATCH", storm.path(body), {"metadata": {"annotations": {"a": "b"}}})
    eventually("statuses of all that was let in", lambda: not storm.unsettled())
    city.settled_but_for_looks()
    seconds = time.monotonic() - started

    requests = [r for r in city.cluster.requests(city.rights.user, mark) if r.verb != "watch"]
    done, tried = reconciles(operator) - before, storm.counts["tried"]
    errors = [r for r in operator.records() if r["level"] == "ERROR" or "exc_info" in r]
    holds = operator.holds()
    figures = dict(storm.counts) | {
        "seconds": round(seconds),
        "requests": len(requests),
        "refused to the operator": dict(Counter(f"{r.verb} {r.kind} {r.code}" for r in requests if r.code >= 400)),
        "reconciles": done,
        "longest holds of the event loop": longest(holds),
        "errors": len(errors),
    }
    print(json.dumps(figures, indent=1), *(e["message"] for e in errors[:5]), sep="\n")
    assert errors == []
    assert operator.get("/healthz")[0] == 200
    assert len(requests) <= MOST_REQUESTS * tried
    assert done <= MOST_RECONCILES * tried
    assert not [h for h in holds if h.seconds > LIMIT_SECONDS]


def test_what_somebody_else_writes_into_a_status_does_not_stay(city: City) -> None:
    city.start()
    app = city.everything()
    live = app.served()
    strange = {"requirement": "strange", "verdict": "Met"}
    live["status"]["bindings"].append(strange)
    city.cluster.request("PUT", KINDS["Installation"].path(city.namespace, "flood", "status"), live)

    def put_right() -> bool:
        return len(app.body()["status"]["bindings"]) == 1

    app.edit(parameters={"depth": 3})
    eventually("status without it", put_right)
    city.settled()


def test_a_name_that_an_older_crd_let_in_harms_nobody_else(city: City) -> None:
    cluster, name = city.cluster, f"{city.app}.dot"
    crd = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/applistings.ddtas.nl"
    rules = "/spec/versions/0/schema/openAPIV3Schema/x-kubernetes-validations"
    known = cluster.request("GET", crd)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["x-kubernetes-validations"]
    patch = "application/json-patch+json"
    cluster.request("PATCH", crd, [{"op": "remove", "path": rules}], patch)
    try:
        eventually(
            "listing", lambda: cluster.raw("POST", KINDS["AppListing"].path(), apps.listing(name))[0] in (201, 409)
        )
    finally:
        cluster.request("PATCH", crd, [{"op": "add", "path": rules, "value": known}], patch)
    eventually("rule", lambda: "and no dot" in cluster.dry_run(apps.listing(f"{name}.more")))
    try:
        operator = city.start()
        city.everything().served()

        def said() -> list[str]:
            conditions = cluster.get(KINDS["AppListing"], None, name).get("status", {}).get("conditions", ())
            return [c["message"] for c in conditions if c["type"] == "Ready" and c["reason"] == "SpecInvalid"]

        assert "metadata.name must have at most 63 characters and no dot" in eventually("SpecInvalid", said)[0]
        listings = cluster.get(KINDS["MunicipalityPlatform"], city.namespace, "oup")["status"]["listings"]
        assert city.app in [found["name"] for found in listings]
        assert [r for r in operator.records() if r["level"] == "ERROR"] == []
    finally:
        cluster.delete(KINDS["AppListing"], None, name)


def test_the_largest_objects_hold_nobody(city: City) -> None:
    """Sixteen requirements of two dozen fields each, and five hundred sources that nearly have them."""
    operator = city.start()
    fields = [{"name": f"f{n}", "type": "number", "unit": "mm"} for n in range(24)]
    asked = {
        "name": "series",
        "description": "A series.",
        "delivery": "Direct",
        "kinds": ["http-csv"],
        "fields": fields,
    }
    city.store(apps.version(dataRequirements=[asked | {"name": f"r{n}"} for n in range(16)]))
    away = {"secretName": "away", "scheme": "Basic"}  # which is not there, so that nobody looks at them
    source = apps.source("https://data.example/series.csv", credentials=away)
    source["contract"]["fields"] = [{"name": f"f{n}", "type": "number", "unit": "cm"} for n in range(16)]
    city.platform(*(source | {"name": f"s{n}"} for n in range(500)))
    app = city.install()
    app.wait_for("DataBound", "False", "RequirementNotMet")
    city.cluster.merge(KINDS["Installation"], city.namespace, "flood", {"spec": {"mode": "Plan"}})
    neighbour = apps.platform(city.namespace, apps.source(city.supplier.url()), name="small")
    city.cluster.apply(neighbour)
    city.cluster.apply(apps.listing(f"{city.app}-small"))
    city.cluster.apply(apps.installation(city.namespace, "small", f"{city.app}-small", platform="small"))
    city.known("small").served()
    city.settled_but_for_looks()
    too_long = []
    for attempt in range(3):
        holds = operator.holds()
        print(longest(holds), operator.get("/healthz"))
        too_long = [h for h in holds if h.seconds > LIMIT_SECONDS]
        if not too_long:
            break
        # Beside other work the same turn takes twice its processor time; what is too long in truth is so each time.
        operator.kill()
        operator = city.start()
        edit = {"metadata": {"annotations": {"attempt": str(attempt)}}, "spec": {"suspend": attempt % 2 == 0}}
        city.cluster.merge(KINDS["MunicipalityPlatform"], city.namespace, "oup", edit)
        city.settled_but_for_looks()
    city.cluster.delete(KINDS["AppListing"], None, f"{city.app}-small")
    assert not too_long
