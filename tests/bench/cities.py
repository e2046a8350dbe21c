"""Many cities with some apps each, on a real API server and a fake node: time, requests, memory, rest and restart.

`./dev bench cities` starts the cluster and runs this. Requests are the operator's, by the API server's audit log. The
floor (see `floor.py`) is measured first, on the same API server: the ratio of the two says more than seconds do.
"""

import argparse
import json
import os
import re
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import cluster_apps as apps
import floor
from cluster_kit import KINDS, NAMESPACE, REPO, ApiServer, JsonObject, Request, by_kind
from cluster_operator import Operator
from cluster_supplier import Supplier

from ddtas.cluster.rest.resources import CHILDREN

TESTS = Path(__file__).parents[1]
AGENT = "ddtas-operator"
PATIENCE_SECONDS = 3600.0
WRITERS = 4


class _Admin:
    """The rights of whoever runs the benchmark."""

    def __init__(self, kubeconfig: str) -> None:
        self.kubeconfig = Path(kubeconfig)


class Bench:
    """A cluster with an operator in it."""

    def __init__(self, cities: int, listings: int, rest_seconds: float, folder: Path) -> None:
        self.cities, self.listings, self.rest_seconds = cities, listings, rest_seconds
        kubeconfig = os.environ["DDTAS_TEST_KUBECONFIG"]
        self.cluster = ApiServer(kubeconfig, Path(os.environ["DDTAS_TEST_AUDIT_LOG"]))
        self.supplier = Supplier()
        # No namespace named: all of them, as a market master would run it.
        self._admin = _Admin(kubeconfig)
        self._folder = folder

    @property
    def total(self) -> int:
        return self.cities * self.listings

    def start(self) -> Operator:
        made = Operator(self._admin, "", self._folder, lease_namespace="default")  # type: ignore[arg-type]
        return made.untimed().start()  # timing takes some of the processor time that is measured

    def floor(self) -> float:
        """Seconds that the API server needs for the same objects without an operator."""
        operator = self.start()
        space = self.cluster.make_namespace("original")
        self.cluster.apply(apps.platform(space, apps.source(self.supplier.url())))
        self.cluster.apply(apps.installation(space, "original", "app-0"))
        self.wait(operator, "original", lambda m: m.get(READY, 0) >= 1)
        operator.terminate()
        objects = floor.template(self.cluster, space)
        self.cluster.kubectl("delete", "namespace", space, "--timeout=300s")
        places = [(f"city-{n}", f"floor-{m}") for n in range(self.cities) for m in range(self.listings)]
        seconds = floor.measure(self.cluster.kubeconfig, floor.copies(objects, "original", places))
        print(f"floor: {len(objects)} objects each, {seconds:.1f} s", file=sys.stderr)
        for resource in CHILDREN:
            for n in range(self.cities):
                query = "?labelSelector=floor%3Dtrue&propagationPolicy=Background"
                self.cluster.request("DELETE", resource.path(f"city-{n}") + query)
        self._settle()
        return seconds

    def _settle(self) -> None:
        """Wait until the garbage collector has removed what is left of the floor."""
        started = time.monotonic()
        while any(self.cluster.all(KINDS["Pod"], f"city-{n}") for n in range(self.cities)):
            if time.monotonic() - started > PATIENCE_SECONDS:
                raise SystemExit("the pods of the floor do not go")
            time.sleep(1)

    def ready_since(self, began: datetime) -> list[float]:
        """Seconds after which each Installation was Ready, sorted."""
        found = []
        for n in range(self.cities):
            for body in self.cluster.all(KINDS["Installation"], f"city-{n}"):
                ready = next(c for c in body["status"]["conditions"] if c["type"] == "Ready")
                found.append((datetime.fromisoformat(ready["lastTransitionTime"]) - began).total_seconds())
        return sorted(round(seconds, 1) for seconds in found)

    def requests(self, since: int) -> list[Request]:
        """What the operator asked of the API server, but for its watches."""
        return [r for r in self.cluster._lines(since) if r.agent.partition("/")[0] == AGENT and r.verb != "watch"]

    def prepare(self) -> None:
        """CRDs, Stages, the store, and a namespace for each city."""
        for what in (REPO / "crds", TESTS / "cluster" / "stages.yaml"):
            self.cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(what))
        self.cluster.kubectl("wait", "--for=condition=Established", "--timeout=60s", "-f", str(REPO / "crds"))
        for n in range(self.listings):
            self.cluster.apply(apps.listing(f"app-{n}"))
        self._write((NAMESPACE.path(), {"metadata": {"name": f"city-{n}"}}) for n in range(self.cities))

    def install(self) -> None:
        """Each city's platform and its Installations."""
        objects = []
        for n in range(self.cities):
            space = f"city-{n}"
            platform = apps.platform(space, apps.source(self.supplier.url()))
            objects.append((KINDS["MunicipalityPlatform"].path(space), platform))
            for m in range(self.listings):
                body = apps.installation(space, f"app-{m}", f"app-{m}")
                objects.append((KINDS["Installation"].path(space), body))
        self._write(iter(objects))

    def _write(self, objects: Any) -> None:
        def create(path: str, body: JsonObject) -> None:
            self.cluster.request("POST", path, body)

        with ThreadPoolExecutor(WRITERS) as writers:
            for done in [writers.submit(create, path, body) for path, body in objects]:
                done.result()

    def wait(self, operator: Operator, what: str, done: Any) -> None:
        started = told = time.monotonic()
        while not done(metrics(operator)):
            assert operator.running
            if time.monotonic() - started > PATIENCE_SECONDS:
                raise SystemExit(f"{what}: not done after {PATIENCE_SECONDS:.0f} s")
            if time.monotonic() - told > 10:
                told = time.monotonic()
                print(f"{what}: {metrics(operator).get(READY, 0):.0f} of {self.total} Ready", file=sys.stderr)
            time.sleep(floor.POLL_SECONDS)


READY = 'ddtas_objects{kind="Installation",reason="Serving"}'
RECONCILED = 'ddtas_reconciles_total{kind="Installation",outcome="ok"}'
PROCESSOR = "process_cpu_seconds_total"
MEMORY = "process_resident_memory_bytes"


def metrics(operator: Operator) -> dict[str, float]:
    """The operator's own figures, by name with labels."""
    _, text = operator.get("/metrics")
    return {name: float(value) for name, value in re.findall(r"^([a-z_]+(?:\{[^}]*\})?) (\S+)$", text, re.MULTILINE)}


class Brought(NamedTuple):
    """What bringing all Installations up came to.

    Attributes:
        created: seconds until all objects were created.
        ready: seconds from the first of them until an Installation was Ready, of each, sorted; whole seconds.
        seconds: until all were Ready.
        requests: of the operator.
        reconciles: of Installations.
        processor: seconds of processor time of the operator.
    """

    created: float
    ready: list[float]
    seconds: float
    requests: list[Request]
    reconciles: float
    processor: float


def run(bench: Bench) -> JsonObject:
    """All measurements, in order."""
    bench.prepare()
    floor_seconds = bench.floor()
    operator = bench.start()
    empty = metrics(operator)[MEMORY]
    brought = bring_up(bench, operator)
    full = metrics(operator)[MEMORY]

    mark = bench.cluster.mark()
    time.sleep(bench.rest_seconds)
    resting = bench.requests(mark)
    operator.kill()
    restarted, after = restart(bench)
    return {
        "cities": bench.cities,
        "apps": bench.listings,
        "seconds to create them": round(brought.created, 1),
        "seconds to Ready": spread(brought),
        "seconds of the floor": round(floor_seconds, 1),
        "ratio to the floor": round(brought.seconds / floor_seconds, 2),
        "reconciles an Installation": round(brought.reconciles / bench.total, 1),
        "seconds of the operator's processor time": round(brought.processor, 2),
        "requests an Installation": round(len(brought.requests) / bench.total, 2),
        "of these": {what: round(count / bench.total, 2) for what, count in kinds(brought.requests).items()},
        "requests": by_kind(brought.requests),
        "refused": len([r for r in brought.requests if r.code >= 400]),
        "MiB": {"empty": mib(empty), "full": mib(full), "after a restart": mib(after)},
        "KiB an Installation": round((full - empty) / 1024 / bench.total, 1),
        "rest": {"seconds": bench.rest_seconds, "requests": by_kind(resting)},
        "restart": restarted,
    }


def bring_up(bench: Bench, operator: Operator) -> Brought:
    """Make all platforms and Installations, and wait until they are Ready."""
    before = metrics(operator)
    mark, started, began = bench.cluster.mark(), time.monotonic(), datetime.now(UTC)
    bench.install()
    created = time.monotonic() - started
    bench.wait(operator, "bring-up", lambda m: m.get(READY, 0) >= bench.total)
    seconds, after = time.monotonic() - started, metrics(operator)
    reconciles, processor = (after[name] - before.get(name, 0.0) for name in (RECONCILED, PROCESSOR))
    time.sleep(5)
    return Brought(created, bench.ready_since(began), seconds, bench.requests(mark), reconciles, processor)


def restart(bench: Bench) -> tuple[JsonObject, float]:
    """Start the operator again among all that it has made; the figures, and its memory."""
    mark, started = bench.cluster.mark(), time.monotonic()
    operator = bench.start()
    bench.wait(operator, "restart", lambda m: m.get(RECONCILED, 0) >= bench.total and m["ddtas_queue_length"] == 0)
    seconds = time.monotonic() - started
    time.sleep(5)
    requests, memory = bench.requests(mark), metrics(operator)[MEMORY]
    operator.terminate()
    writes = len([r for r in requests if r.writes])
    return {"seconds": round(seconds, 1), "writes": writes, "reads": len(requests) - writes}, memory


def spread(brought: Brought) -> JsonObject:
    """When the first one, half of them, and all were Ready."""
    half = brought.ready[len(brought.ready) // 2]
    return {"first": brought.ready[0], "median": half, "all": round(brought.seconds, 1)}


def kinds(requests: list[Request]) -> Counter[str]:
    """Requests by what they are for."""
    found: Counter[str] = Counter()
    for r in requests:
        what = "status writes" if r.kind.endswith("/status") else "Events" if r.kind == "events" else "objects"
        found[what if r.writes else "reads"] += 1
    return found


def mib(size: float) -> float:
    return round(size / 2**20, 1)


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cities", type=int, default=342)  # municipalities of the Netherlands in 2025 (CBS)
    parser.add_argument("--apps", type=int, default=3)
    parser.add_argument("--rest", type=float, default=60, help="seconds of rest to watch")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(args.cities, args.apps, args.rest, Path(folder))
        try:
            print(json.dumps(run(bench), indent=1))
        finally:
            bench.supplier.stop()


if __name__ == "__main__":
    main()
