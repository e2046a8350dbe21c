"""The floor: what an API server needs for the same objects, written by nobody who thinks.

All objects of all Installations are sent by server-side apply, many at once and in no order, and it is waited until all
Deployments are available and all Jobs are complete. No operator can be faster; how much slower one is, is its own cost.
"""

import asyncio
import json
import ssl
import tempfile
import time
from base64 import b64decode
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from cluster_kit import KINDS, ApiServer, JsonObject

from ddtas import names
from ddtas.cluster.rest.resources import CHILDREN

AT_ONCE = 50
POLL_SECONDS = 0.25
_NOT_SENT = frozenset({"uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "ownerReferences"})
_ASSIGNED = frozenset({"clusterIP", "clusterIPs", "selector", "suspend", "ipFamilies", "ipFamilyPolicy"})
_OF_A_JOB = frozenset({"controller-uid", "batch.kubernetes.io/controller-uid"})


def template(cluster: ApiServer, namespace: str) -> list[JsonObject]:
    """The objects of one Installation that serves, as they could be sent again under other names."""
    found = []
    for resource in CHILDREN:
        if resource.kind == "Pod":
            continue
        for body in cluster.children(namespace, resource):
            kind = {"apiVersion": resource.prefix.removeprefix("/apis/").removeprefix("/api/"), "kind": resource.kind}
            found.append(kind | _sendable(resource.kind, body))
    return found


def _sendable(kind: str, body: JsonObject) -> JsonObject:
    """Without what the API server adds, and without the label by which the operator would take it for its own."""
    kept = {key: value for key, value in body.items() if key not in ("apiVersion", "kind", "status", "metadata")}
    metadata = {key: value for key, value in body["metadata"].items() if key not in _NOT_SENT}
    kept["metadata"] = metadata | {"labels": _labels(metadata["labels"])}
    if kind in ("Job", "Service"):
        unsent = _ASSIGNED if kind == "Job" else _ASSIGNED - {"selector"}
        kept["spec"] = {key: value for key, value in body["spec"].items() if key not in unsent}
    if kind == "Job":
        pods = kept["spec"]["template"]["metadata"]
        kept["spec"]["template"]["metadata"] = {"labels": _labels(pods["labels"])}
    return kept


def _labels(labels: dict[str, str]) -> dict[str, str]:
    return {k: v for k, v in labels.items() if k != names.LABEL_INSTALLATION and k not in _OF_A_JOB} | {"floor": "true"}


def copies(objects: list[JsonObject], old: str, places: Iterable[tuple[str, str]]) -> list[JsonObject]:
    """The objects of an Installation called `old`, for each namespace and name of others."""
    text = json.dumps(objects)
    made: list[JsonObject] = []
    for namespace, name in places:
        for body in json.loads(text.replace(old, name)):
            body["metadata"]["namespace"] = namespace
            made.append(body)
    return made


def measure(kubeconfig: str, objects: list[JsonObject]) -> float:
    """Seconds until all of them are there, available and complete."""
    return asyncio.run(_measure(kubeconfig, objects))


async def _measure(kubeconfig: str, objects: list[JsonObject]) -> float:
    server, trust = _access(kubeconfig)
    connector = aiohttp.TCPConnector(ssl=trust, limit=AT_ONCE)
    async with aiohttp.ClientSession(connector=connector) as session:
        room = asyncio.Semaphore(AT_ONCE)
        started = time.monotonic()

        async def send(body: JsonObject) -> None:
            metadata = body["metadata"]
            url = server + KINDS[body["kind"]].path(metadata["namespace"], metadata["name"])
            headers = {"Content-Type": "application/apply-patch+yaml"}
            query = {"fieldManager": "floor", "force": "true"}
            async with room, session.patch(url, params=query, data=json.dumps(body), headers=headers) as answer:
                if answer.status not in (200, 201):
                    raise SystemExit(f"{body['kind']}: {answer.status} {await answer.text()}")

        await asyncio.gather(*(send(body) for body in objects))
        for kind, done in (("Job", "succeeded"), ("Deployment", "availableReplicas")):
            wanted = sum(body["kind"] == kind for body in objects)
            while await _count(session, server, kind, done) < wanted:  # noqa: ASYNC110 - of another process
                await asyncio.sleep(POLL_SECONDS)
        return time.monotonic() - started


async def _count(session: aiohttp.ClientSession, server: str, kind: str, field: str) -> int:
    query = {"labelSelector": "floor=true", "resourceVersion": "0"}
    async with session.get(server + KINDS[kind].path(), params=query) as answer:
        return sum(min(1, body["status"].get(field, 0)) for body in (await answer.json())["items"])


def _access(kubeconfig: str) -> tuple[str, ssl.SSLContext]:
    content: Any = yaml.safe_load(Path(kubeconfig).read_text())
    cluster, user = content["clusters"][0]["cluster"], content["users"][0]["user"]
    trust = ssl.create_default_context(cadata=b64decode(cluster["certificate-authority-data"]).decode())
    with tempfile.NamedTemporaryFile() as chain:  # Python reads these from files alone
        chain.write(b64decode(user["client-certificate-data"]) + b"\n" + b64decode(user["client-key-data"]))
        chain.flush()
        trust.load_cert_chain(chain.name)
    return cluster["server"], trust
