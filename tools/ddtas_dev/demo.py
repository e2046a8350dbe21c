"""The demonstration: a twin goes live in a city, its careless sister is refused, and a second city lacks one thing."""

import argparse
import json
import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ddtas_dev import binaries, cluster, deploy, images
from ddtas_dev.console import DevError, elapsed, say
from ddtas_dev.paths import REPO
from ddtas_dev.shell import failure, run

NAMESPACE, VILLAGE = "voorbeeldstad", "voorbeelddorp"
TIMEOUT_SECONDS = 900
OUTPUT = REPO / "build" / "demo"

JsonObject = dict[str, Any]


def demo(args: argparse.Namespace) -> int:
    """Bring up cluster, operator and example, follow them to the end, and show what came out."""
    running = cluster.up(args.name or cluster.DEMO, True, args.kubeconfig, args.context)
    references = _images(running, args.registry)
    # The village reads the data server that is in the first city's namespace.
    shared = f"{{{NAMESPACE}}}"
    deploy.install_operator(running.kubeconfig, references, network__sharedNamespaces=shared)
    deploy.apply_examples(running.kubeconfig, deploy.example_manifests(references))
    kubectl = _Kubectl(running.kubeconfig)
    say("\nAn Installation is calibrated and validated on the city's own data before it serves anyone:\n")
    found = _follow(kubectl)
    _show(kubectl, found, running.kubeconfig)
    return 0


def _images(running: cluster.Cluster, registry: str | None) -> dict[str, str]:
    """Build and load; a cluster that was given has a registry of its own, to which somebody must have pushed."""
    built = images.build_all()
    running.load(list(built.values()))
    references = {name: image.reference for name, image in built.items()}
    if running.backend != "given":
        return references
    if not registry:
        listed = ", ".join(references.values())
        raise DevError(
            f"the nodes of that cluster must be able to pull these images: {listed}.\n"
            "Push them to a registry, and name it: ./dev demo --registry registry.example/project"
        )
    return {name: reference.replace("localhost", registry, 1) for name, reference in references.items()}


class _Kubectl:
    def __init__(self, kubeconfig: str) -> None:
        self.environment = {"KUBECONFIG": kubeconfig}
        self.path = binaries.ensure_one("kubectl")

    def __call__(self, *arguments: str) -> str:
        return run([self.path, *arguments], env=self.environment)

    def installations(self) -> list[JsonObject]:
        found: list[JsonObject] = []
        for namespace in (NAMESPACE, VILLAGE):
            found += json.loads(self("get", "installations", "-n", namespace, "-o", "json"))["items"]
        return found


def _name(installation: JsonObject) -> str:
    metadata = installation["metadata"]
    return f"{metadata['namespace']}/{metadata['name']}"


def _condition(installation: JsonObject, kind: str) -> JsonObject:
    conditions = installation.get("status", {}).get("conditions", [])
    return next((c for c in conditions if c["type"] == kind), {})


def _has_ended(installation: JsonObject) -> bool:
    """It serves, or a person must act; and that is said of the spec as it is now."""
    current = installation.get("status", {}).get("observedGeneration") == installation["metadata"]["generation"]
    return current and any(_condition(installation, kind).get("status") == "True" for kind in ("Ready", "Stalled"))


def _follow(kubectl: _Kubectl) -> list[JsonObject]:
    """Print each transition until all have ended."""
    started = time.monotonic()
    told: dict[str, str] = {}
    while True:
        found = kubectl.installations()
        for installation in found:
            name, ready = _name(installation), _condition(installation, "Ready")
            progress = installation.get("status", {}).get("progress", "0/6")
            line = f"{name:<23} {progress}  {ready.get('reason', 'Waiting'):<17} {ready.get('message', '')}"
            if told.get(name) != line:
                told[name] = line
                say(f"{elapsed(time.monotonic() - started):>8}  {line}")
        if found and all(_has_ended(i) for i in found):
            return found
        if time.monotonic() - started > TIMEOUT_SECONDS:
            raise DevError(
                f"not done after {elapsed(TIMEOUT_SECONDS)}; see `./dev kubectl describe inst -n {NAMESPACE}` and"
                f" `./dev kubectl logs -n {deploy.NAMESPACE} deploy/{deploy.RELEASE}`"
            )
        time.sleep(1)


def _table(rows: Sequence[tuple[str, ...]], indent: str = "  ") -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        (indent + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))).rstrip()
        for row in rows
    )


def _conditions(installation: JsonObject) -> str:
    steps = ("Accepted", "DataBound", "Provisioned", "Calibrated", "Validated", "Serving")
    found = [_condition(installation, step) for step in steps]
    return _table([(c["type"], c["status"], c["reason"], c["message"]) for c in found])


def _bindings(installation: JsonObject) -> str:
    """What was checked of each requirement, and the near-misses of those that are not met."""
    lines = []
    for binding in installation["status"]["bindings"]:
        source = binding.get("dataSource", "no data source fits")
        lines.append(f"  requirement {binding['requirement']}: {source}")
        rows = [("check", "declared", "measured", "")]
        rows += [(c["name"], c["declared"], c["measured"], c["message"]) for c in binding.get("checks", [])]
        lines.append(_table(rows, "    "))
        for miss in binding.get("nearMisses", []):
            lines.append(f"    near miss {miss['dataSource']}: {'; '.join(miss['missing'])}")
    return "\n".join(lines)


def evidence_tables(installation: JsonObject) -> str:
    """What the runs of the newest revision showed."""
    revision = installation["status"]["revisions"][0]
    parameters = [(p["name"], p["value"]) for p in revision["calibration"].get("parameters", [])]
    lines = ["  calibrated parameters", _table(parameters, "    ")]
    for phase in ("calibration", "validation"):
        run_of = revision.get(phase, {})
        rows = [
            (m["name"], m["value"], _interval(m), m.get("threshold", ""), m.get("verdict", ""))
            for m in run_of.get("metrics", [])
        ]
        if rows:
            window = " and ".join(f"{w['start']}…{w['end']}" for w in run_of.get("windows", []))
            assurance = run_of.get("assurance", "None")
            lines += [f"  {phase} on {window}: {run_of['outcome']}, assurance {assurance}", _table(rows, "    ")]
    return "\n".join(lines)


def _interval(metric: JsonObject) -> str:
    return f"{metric['low']}…{metric['high']}" if "low" in metric and "high" in metric else ""


def _fetch(kubectl: _Kubectl, path: str) -> bytes:
    """Ask the app through the API server's proxy to its Service, which works from wherever kubectl does."""
    service = f"/api/v1/namespaces/{NAMESPACE}/services/http:flood-web:8080/proxy"
    environment = {**os.environ, **kubectl.environment}
    command = [str(kubectl.path), "get", "--raw", service + path]
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    if done.returncode:
        raise DevError(failure(command, done.returncode, done.stderr.decode(errors="replace")))
    return done.stdout


def _save_plot(kubectl: _Kubectl) -> Path:
    OUTPUT.mkdir(parents=True, exist_ok=True)
    plot = OUTPUT / "flood.png"
    plot.write_bytes(_fetch(kubectl, "/plot.png"))
    return plot


def _show(kubectl: _Kubectl, found: list[JsonObject], kubeconfig: str) -> None:
    for installation in found:
        print(f"\n{_name(installation)}\n{_conditions(installation)}\n{_bindings(installation)}")
        if installation["status"].get("revisions"):
            print(evidence_tables(installation))
    print(
        f"\nwhat each city offers, and which apps of the store could run there\n{kubectl('get', 'oup', '-A')}".rstrip()
    )
    flood = next(i for i in found if _name(i) == f"{NAMESPACE}/flood")
    if _condition(flood, "Ready").get("status") != "True":
        raise DevError(f"flood does not serve: {_condition(flood, 'Ready').get('message')}")
    forecast = json.loads(_fetch(kubectl, "/forecast"))
    days = forecast["days"][:5]
    rows = [("", *(day["date"] for day in days))]
    rows += [(name, *(f"{day[name]:.4f}" for day in days)) for name in ("low", "median", "high")]
    address = kubectl("get", "service", "flood-web", "-n", NAMESPACE, "-o", "jsonpath={.spec.clusterIP}").strip()
    print(f"\nforecast, {forecast['unit']} (the first {len(days)} of {len(forecast['days'])} days)\n{_table(rows)}")
    print(f"\nin the cluster  {flood['status']['url']}")
    print(f"from this node  http://{address}:8080/")
    print(f"the plot        {_save_plot(kubectl)}")
    print(f"\nexport KUBECONFIG={kubeconfig}")
    print(f"./dev kubectl describe inst -n {NAMESPACE} flood-kge     # the whole story of the one that was refused")
    print(f"./dev kubectl describe oup -n {VILLAGE}                  # what the village has, and what it lacks")
    print("./dev kubectl get listing,oup,inst -A                    # the store, the platforms, the installations")
    print("./dev cluster down                                       # stops everything and cleans up")
