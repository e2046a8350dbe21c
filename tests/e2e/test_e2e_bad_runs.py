"""Runs, images and templates that are wrong, in real containers and all at once: each ends in its documented reason."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import e2e_apps as apps
import pytest
from e2e_city import City
from e2e_kit import CONFIG_MAP, DEPLOYMENT, JOB, POD, SERVICE, JsonObject, Twin, condition, evidence, in_parallel

from ddtas import names

ABSENT = "localhost/flood-data:absent"

CONFIG = """
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ prefix }}-extra
  labels: {app: {{ prefix }}-extra}
data:
  quality: {{ parameters.quality | tojson | tojson }}
"""
WITH_SYNTAX_ERROR = CONFIG.replace("{{ prefix }}", "{{ prefix")
WITH_UNKNOWN_NAME = CONFIG.replace("parameters.quality", "parameters.qualty")
ESCAPE = CONFIG.replace("parameters.quality", "''.__class__.__mro__[1].__subclasses__()")
CLUSTER_ROLE = """
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: "{{ prefix }}-all"}
rules: [{apiGroups: ["*"], resources: ["*"], verbs: ["*"]}]
"""
SECRET = """
apiVersion: v1
kind: Secret
metadata: {name: "{{ prefix }}-loot"}
stringData: {key: value}
"""
PRIVILEGED = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: "{{ prefix }}-root"}
spec:
  selector: {matchLabels: {app: root}}
  template:
    metadata: {labels: {app: root}}
    spec:
      hostNetwork: true
      containers: [{name: root, image: "localhost/flood-data:latest", securityContext: {privileged: true}}]
"""


@dataclass(frozen=True)
class Case:
    """What is wrong, and how it must end."""

    name: str
    wrong: dict[str, Any]
    step: str
    reason: str
    says: Sequence[str]
    # Where the mistake is in the listing, its good edition brings it to life.
    recovers: bool = False
    spec: dict[str, Any] = field(default_factory=dict)


CASES = (
    Case(
        "crash",
        {"calibrate": apps.report('{"error": "the gauge is dry"}') + "; raise SystemExit(3)"},
        "Calibrated",
        "RunCrashed",
        ["exit code 3: the gauge is dry", "kubectl logs job/crash-"],
        recovers=True,
    ),
    Case(
        "timeout",
        {"calibrate": apps.sleeping(600, apps.CALIBRATE), "timeout": 10},
        "Calibrated",
        "RunTimedOut",
        ["not done after 10 s", "timeoutSeconds"],
        recovers=True,
    ),
    Case("silent", {"calibrate": "pass"}, "Calibrated", "ResultMissing", ["wrote nothing to its termination message"]),
    Case(
        "talkative",
        {"calibrate": apps.result(apps.CALIBRATION, message="FILLER").replace("FILLER", "' + 'x' * 5000 + '")},
        "Calibrated",
        "ResultTooLarge",
        ["4096 bytes or more", "report fewer"],
    ),
    Case(
        "nan",
        {"calibrate": apps.result(apps.CALIBRATION, metrics={"NSE": float("nan")})},
        "Calibrated",
        "ResultNotFinite",
        ["NSE is nan"],
    ),
    Case(
        "garbled",
        {"calibrate": apps.report('{"metrics": {"NSE": 0.8}, "windows": [')},
        "Calibrated",
        "ResultMalformed",
        ["not JSON", "windows"],
    ),
    Case(
        "oom",
        {"calibrate": "hog = bytearray(300 * 1024 * 1024); " + apps.CALIBRATE, "memory": "32Mi"},
        "Calibrated",
        "RunCrashed",
        ["more memory than its limit (OOMKilled)", "resources.limits.memory"],
        recovers=True,
    ),
    Case(
        "peeking",
        {"calibrate": apps.result({"start": "2013-01-01", "end": "2015-06-30"}, parameters={"depth": 1.5})},
        "Calibrated",
        "WindowsOverlap",
        ["2013-01-01…2015-06-30", "2015-01-01…2016-12-31"],
    ),
    Case(
        "same-days",
        {"validate": apps.result({"start": "2014-12-31", "end": "2016-12-31"})},
        "Validated",
        "WindowsOverlap",
        ["2014-12-31…2016-12-31 shares days with 2013-01-01…2014-12-31"],
    ),
    Case(
        "low",
        {"validate": apps.result(apps.VALIDATION, metrics={"NSE": 0.24})},
        "Validated",
        "ThresholdNotMet",
        ["NSE is 0.24, must be > 0.50"],
    ),
    Case(
        "unjudged",
        {"validate": apps.result(apps.VALIDATION, metrics={"KGE": 0.9})},
        "Validated",
        "MetricMissing",
        ["lacks NSE"],
    ),
    Case(
        "no-image",
        {"images": {"calibrate": ABSENT}},
        "Calibrated",
        "ImagePullFailed",
        [ABSENT],
        recovers=True,
    ),
    Case(
        "no-web-image",
        {"images": {"serve": ABSENT}},
        "Serving",
        "ImagePullFailed",
        ["component web", ABSENT],
        recovers=True,
    ),
    Case(
        "web-crash",
        {"serve": apps.report("no port is free") + "; raise SystemExit(4)"},
        "Serving",
        "RolloutFailed",
        ["component web: exit code 4: no port is free", "kubectl logs deployment/web-crash-"],
        recovers=True,
    ),
    Case(
        "syntax",
        {"templates": [WITH_SYNTAX_ERROR]},
        "Provisioned",
        "TemplateInvalid",
        ["template t0, line"],
        recovers=True,
    ),
    Case(
        "misspelt",
        {"templates": [CONFIG, WITH_UNKNOWN_NAME]},
        "Provisioned",
        "TemplateInvalid",
        ["template t1", "'qualty' is undefined", "quality"],
        recovers=True,
    ),
    Case("escape", {"templates": [ESCAPE]}, "Provisioned", "TemplateForbidden", ["template t0", "__class__"]),
    Case("cluster-role", {"templates": [CLUSTER_ROLE]}, "Provisioned", "TemplateForbidden", ["ClusterRole"]),
    Case("secret", {"templates": [SECRET]}, "Provisioned", "TemplateForbidden", ["Secret"]),
    Case("privileged", {"templates": [PRIVILEGED]}, "Provisioned", "TemplateForbidden", ["hostNetwork"]),
)
RECOVERING = [case for case in CASES if case.recovers]


@pytest.fixture(scope="module")
def twins(city: City) -> dict[str, Twin]:
    """All cases at once: most of the time they wait for the kubelet."""

    def install(case: Case) -> Twin:
        return city.install(case.name, apps.version(city.image, **case.wrong), **case.spec)

    made = in_parallel(install, list(CASES))
    good = city.install("good-template", apps.version(city.image, templates=[CONFIG]))
    return {twin.name: twin for twin in (*made, good)}


@pytest.fixture(scope="module")
def mended(city: City, twins: dict[str, Twin]) -> dict[str, str]:
    """The revision that each recovering case had, before its listing was put right in one edit."""
    before = {}
    for case in RECOVERING:
        twins[case.name].refused(case.step, case.reason)
        before[case.name] = twins[case.name].body()["status"]["revision"]
    for case in RECOVERING:
        city.listing(case.name, apps.version(city.image, templates=[CONFIG] if "templates" in case.wrong else ()))
    return before


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_it_ends_in_its_reason_and_says_what_is_wrong(twins: dict[str, Twin], case: Case) -> None:
    twin = twins[case.name]
    found = twin.refused(case.step, case.reason)
    with twin.cluster.explained(twin.namespace):
        for text in case.says:
            assert text in found["message"]
        assert twin.children(SERVICE) == []
        assert twin.told(case.reason)["type"] == "Warning"


@pytest.mark.parametrize("name", ["escape", "cluster-role", "secret", "privileged", "syntax"])
def test_a_wrong_template_makes_nothing_at_all(twins: dict[str, Twin], name: str) -> None:
    case = next(case for case in CASES if case.name == name)
    twin = twins[name]
    twin.refused(case.step, case.reason)
    for resource in (CONFIG_MAP, DEPLOYMENT, JOB, POD, SERVICE):
        assert twin.children(resource) == []


def test_what_is_wrong_stays_said_without_flapping(twins: dict[str, Twin]) -> None:
    """An image pull goes from one state to another and back, and so does a crash loop; the status must not."""
    watched = [twins[name] for name in ("no-image", "no-web-image", "web-crash", "crash")]
    for twin in watched:
        case = next(case for case in CASES if case.name == twin.name)
        twin.refused(case.step, case.reason)
    seen: dict[str, list[JsonObject]] = {twin.name: [] for twin in watched}
    until = time.monotonic() + 25
    while time.monotonic() < until:
        for twin in watched:
            body = twin.body()
            if not seen[twin.name] or seen[twin.name][-1]["metadata"] != body["metadata"]:
                seen[twin.name].append(body)
        time.sleep(0.2)
    for name, bodies in seen.items():
        told = [
            [(c["type"], c["status"], c["reason"], c["message"]) for c in b["status"]["conditions"]] for b in bodies
        ]
        assert len(bodies) == 1, f"{name}: {told}"


def test_a_good_template_makes_what_it_says(twins: dict[str, Twin]) -> None:
    twin = twins["good-template"]
    body = twin.ready()
    revision = body["status"]["revision"]
    made = twin.cluster.get(CONFIG_MAP, twin.namespace, f"{names.revision_prefix(twin.name, revision)}-extra")
    assert made["data"] == {"quality": "0.8"}
    assert made["metadata"]["labels"] == {
        "app": made["metadata"]["name"],
        names.LABEL_MANAGED_BY: names.MANAGED_BY,
        names.LABEL_INSTALLATION: twin.name,
        names.LABEL_REVISION: revision,
    }
    assert [o["uid"] for o in made["metadata"]["ownerReferences"]] == [body["metadata"]["uid"]]


@pytest.mark.parametrize("case", RECOVERING, ids=lambda case: case.name)
def test_the_next_good_edition_of_the_listing_recovers_it(
    twins: dict[str, Twin], mended: dict[str, str], case: Case
) -> None:
    twin = twins[case.name]
    body = twin.ready()
    with twin.cluster.explained(twin.namespace):
        assert body["status"]["revision"] != mended[case.name]
        assert condition(body, "Stalled")["status"] == "False"
        assert evidence(body)["validation"]["outcome"] == "Passed"
        assert twin.ask("/")[0] == 200
    # What the failed revision left is gone.
    for resource in (JOB, DEPLOYMENT, CONFIG_MAP):
        assert twin.children(resource, revision=mended[case.name]) == []
