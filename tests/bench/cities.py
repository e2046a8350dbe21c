"""Many cities with some apps each, on a real API server and a fake node: time, requests, memory, rest and restart.

`./dev bench cities` starts the cluster and runs this. Requests are the operator's, by the API server's audit log.
"""

import argparse
import json
import os
import re
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cluster_apps as apps
from cluster_kit import KINDS, NAMESPACE, REPO, ApiServer, JsonObject, Request, by_kind
from cluster_operator import Operator
from cluster_supplier import Supplier

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
        return made.start()

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
            time.sleep(0.5)


READY = 'ddtas_objects{kind="Installation",reason="Serving"}'
RECONCILED = 'ddtas_reconciles_total{kind="Installation",outcome="ok"}'
MEMORY = "process_resident_memory_bytes"


def metrics(operator: Operator) -> dict[str, float]:
    """The operator's own figures, by name with labels."""
    _, text = operator.get("/metrics")
    return {name: float(value) for name, value in re.findall(r"^([a-z_]+(?:\{[^}]*\})?) (\S+)$", text, re.MULTILINE)}


def run(bench: Bench) -> JsonObject:
    """All measurements, in order."""
    bench.prepare()
    operator = bench.start()
    empty = metrics(operator)[MEMORY]
    mark, started = bench.cluster.mark(), time.monotonic()
    bench.install()
    created = time.monotonic() - started
    bench.wait(operator, "bring-up", lambda m: m.get(READY, 0) >= bench.total)
    ready = time.monotonic() - started
    time.sleep(5)
    requests = bench.requests(mark)
    full = metrics(operator)[MEMORY]

    mark = bench.cluster.mark()
    time.sleep(bench.rest_seconds)
    resting = bench.requests(mark)

    operator.kill()
    mark, started = bench.cluster.mark(), time.monotonic()
    operator = bench.start()
    bench.wait(operator, "restart", lambda m: m.get(RECONCILED, 0) >= bench.total and m["ddtas_queue_length"] == 0)
    restarted = time.monotonic() - started
    time.sleep(5)
    again = bench.requests(mark)
    after = metrics(operator)[MEMORY]
    operator.terminate()
    return {
        "cities": bench.cities,
        "apps": bench.listings,
        "seconds to create them": round(created, 1),
        "seconds to all Ready": round(ready, 1),
        "requests an Installation": round(len(requests) / bench.total, 2),
        "writes of objects an Installation": round(
            sum(r.writes and not r.kind.endswith("/status") and r.kind != "events" for r in requests) / bench.total, 2
        ),
        "requests": by_kind(requests),
        "refused": len([r for r in requests if r.code >= 400]),
        "MiB": {"empty": mib(empty), "full": mib(full), "after a restart": mib(after)},
        "KiB an Installation": round((full - empty) / 1024 / bench.total, 1),
        "rest": {"seconds": bench.rest_seconds, "requests": by_kind(resting)},
        "restart": {
            "seconds": round(restarted, 1),
            "writes": len([r for r in again if r.writes]),
            "reads": len([r for r in again if not r.writes]),
        },
    }


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
