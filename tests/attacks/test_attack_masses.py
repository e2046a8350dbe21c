"""Very many objects by one city: the others have no more to do for it, and are served as before.

DDTAS_TEST_CROWD=125 makes a thousand offers; each run makes fewer.
"""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cluster_apps as apps
from attacks_actors import Role, actor
from cluster_city import City
from cluster_kit import KINDS, JsonObject, eventually

INSTALLATION, PLATFORM = KINDS["Installation"], KINDS["MunicipalityPlatform"]
INSTALLATIONS, PRODUCTS = int(os.environ.get("DDTAS_TEST_CROWD", "25")), 8


def _product(number: int) -> JsonObject:
    return {
        "name": f"p{number}",
        "title": "Of a crowd",
        "component": "web",
        "path": f"/{number}.csv",
        "kind": "http-csv",
        "contract": {"version": "1.0.0", "fields": apps.FIELDS},
        "accessRights": "public",
        "licence": "CC0-1.0",
        "purposes": ["testing"],
    }


def _processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def test_offers_in_masses_are_nobodys_business_who_does_not_accept(
    city: City, roles: None, neighbour: str, tmp_path: Path
) -> None:
    city.rights.change(f"namespaces={{{city.namespace},{neighbour}}}")
    operator = city.start(namespaces=f"{city.namespace},{neighbour}")
    city.store(apps.version(dataProducts=[_product(n) for n in range(PRODUCTS)]))
    city.platform()
    city.install().served()
    city.settled()
    before = city.cluster.get(PLATFORM, city.namespace, "oup")
    attacker = actor(city.cluster, Role.MARKETPLACE, neighbour, tmp_path).server
    to = [{"namespace": city.namespace, "platform": "oup"}]
    offers = [{"product": f"p{n}", "to": to} for n in range(PRODUCTS)]

    # The bounds of one object.
    def refused(**spec: object) -> str:
        return attacker.dry_run(apps.installation(neighbour, "greedy", city.app, **spec))

    assert "Too many" in refused(offers=[{"product": f"q{n}", "to": to} for n in range(9)])
    many = [{"namespace": f"city-{n}", "platform": "oup"} for n in range(33)]
    assert "Too many" in refused(offers=[{"product": "p0", "to": many}])

    mark, started = city.cluster.mark(), _processor_seconds(operator.pid)
    names = [f"crowd-{number}" for number in range(INSTALLATIONS)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: attacker.apply(apps.installation(neighbour, n, city.app, offers=offers)), names))

    def judged() -> bool:
        bodies = city.cluster.all(INSTALLATION, neighbour)
        return len(bodies) == INSTALLATIONS and all("conditions" in b.get("status", {}) for b in bodies)

    eventually("verdict on each of them", judged)
    city.settled()
    ours = [r for r in city.cluster.requests(city.rights.user, mark) if r.namespace == city.namespace and r.writes]
    assert [r for r in ours if r.kind != "events"] == [], "neither the platform nor the app has any news"
    # While they are there, and edited, a newcomer of the other city goes live.
    with ThreadPoolExecutor(4) as pool:
        edits = [pool.submit(attacker.merge, INSTALLATION, neighbour, n, {"spec": {"suspend": True}}) for n in names]
        city.install("newcomer").served()
        for edit in edits:
            edit.result()
    city.settled()
    now = city.cluster.get(PLATFORM, city.namespace, "oup")
    mine, was = (
        {key: value for key, value in body["status"]["dataSources"][0].items() if key not in ("usedBy", "uses")}
        for body in (now, before)
    )
    assert mine == was, "but for who uses it, which the newcomer does"
    shown = {s["name"] for s in now["status"]["dataSources"]}
    assert not any("crowd" in name for name in shown), "products that nobody here accepted"
    assert len(json.dumps(now["status"])) < 60_000
    print(
        f"{INSTALLATIONS * PRODUCTS} offers took {_processor_seconds(operator.pid) - started:.1f} s of processor time"
    )
