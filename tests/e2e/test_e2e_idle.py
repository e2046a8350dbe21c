"""When all is done, the operator asks the API server for nothing: the audit log is the witness."""

import json
import os
import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import e2e_apps as apps
import pytest
from e2e_city import City
from e2e_kit import Cluster, condition

from ddtas.cluster.rest.resources import INSTALLATION
from ddtas_dev import deploy

OPERATOR = f"system:serviceaccount:{deploy.NAMESPACE}:{deploy.RELEASE}"
IDLE_SECONDS = 60
# Where the API server, nodes and Services are, so that no probe goes there: one look in five minutes for all cities.
SURROUNDINGS = Counter(
    {
        "get /apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes": 1,
        "list /apis/networking.k8s.io/v1/servicecidrs": 1,
        "list /api/v1/nodes": 1,
    }
)


@pytest.fixture
def audit_log() -> Path:
    """Where the API server writes each request."""
    if "DDTAS_E2E_AUDIT_LOG" not in os.environ:
        pytest.skip("this cluster shows no audit log")
    return Path(os.environ["DDTAS_E2E_AUDIT_LOG"])


def requests_since(log: Path, position: int) -> Iterator[dict[str, Any]]:
    """The operator's requests that were received after a position of the log was the end."""
    with log.open() as file:
        file.seek(position)
        for line in file:
            if not line.endswith("\n"):
                return  # still being written
            entry = json.loads(line)
            if entry["user"]["username"] == OPERATOR:
                yield entry


def what(entry: dict[str, Any]) -> str:
    return f"{entry['verb']} {entry['requestURI'].partition('?')[0]}"


def test_a_minute_without_a_request(cluster: Cluster, city: City, example: str, audit_log: Path) -> None:
    twin = city.install("idle", apps.version(city.image))
    before = audit_log.stat().st_size
    twin.ready()
    heard = Counter(what(entry).split()[0] for entry in requests_since(audit_log, before))
    assert heard["patch"] > 5, f"the log shows no work of {OPERATOR}: {heard}"

    def settled() -> bool:
        everyone = cluster.all(INSTALLATION)
        return all(condition(i, "Reconciling").get("status") == "False" for i in everyone)

    cluster.wait("Installations that have all ended", settled)
    time.sleep(2)  # what was already on its way
    start = audit_log.stat().st_size
    began = datetime.now().astimezone()
    time.sleep(IDLE_SECONDS)
    asked: Counter[str] = Counter()
    for entry in requests_since(audit_log, start):
        fresh = datetime.fromisoformat(entry["requestReceivedTimestamp"]) >= began
        lease = entry.get("objectRef", {}).get("resource") == "leases"
        # A watch is the operator's ear: the API server ends it from time to time, and it is opened again.
        if fresh and not lease and entry["verb"] != "watch":
            asked[what(entry)] += 1
    asked -= SURROUNDINGS
    assert not asked, f"{len(cluster.all(INSTALLATION))} Installations, none of them under way: {dict(asked)}"
