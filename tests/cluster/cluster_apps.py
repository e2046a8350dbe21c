"""The objects of these tests: a small app, a platform with one data source, and an Installation.

No container runs on a fake node. How a run ends is told by its container's arguments, which a kwok Stage
(stages.yaml) turns into the pod's status: `[now | held, EXIT CODE, TERMINATION MESSAGE]`. A run that is held ends when
its pod gets the annotation GO. Containers that really run are the end-to-end layer's.
"""

import base64
import json
from typing import Any

from ddtas.scoring.report import ScoreReport

JsonObject = dict[str, Any]

GO = "tests.ddtas.nl/go"
API = "ddtas.nl/v1alpha1"
OURS = {"ddtas-tests": "true"}  # on what has no namespace, so that it can be swept
CALIBRATION = {"start": "2013-01-01", "end": "2014-12-31"}
VALIDATION = {"start": "2015-01-01", "end": "2016-12-31"}
EXTENT = {"start": "2012-01-01", "end": "2016-12-31"}  # of the data, and what its contract promises
CRITERIA = ("Ethical", "Legal", "Social", "Economic", "Technical", "Management")
FIELDS = [{"name": "date", "type": "date"}, {"name": "discharge_m3s", "type": "number", "unit": "m3/s"}]


DIGEST = "sha256:" + "0" * 64
LEAST = 0.5  # that a validation must be better than


def report(window: JsonObject, **more: Any) -> str:
    """A termination message as the contract between app and operator has it."""
    return json.dumps({"metrics": {"NSE": 0.8}, "windows": [window], **more})


CALIBRATED = report(CALIBRATION, parameters={"depth": 1.5})
VALIDATED = report(VALIDATION)


def run(message: str, *, code: int = 0, held: bool = False) -> JsonObject:
    """A container that ends like this."""
    return container("held" if held else "now", str(code), message)


def container(*args: str) -> JsonObject:
    """A container with these arguments."""
    amounts = {"cpu": "10m", "memory": "16Mi"}
    return {
        "image": "localhost/nothing:1",
        "args": list(args),
        "resources": {"requests": dict(amounts), "limits": dict(amounts)},
    }


def version(
    number: str = "1.0.0",
    *,
    calibration: JsonObject | None = None,
    validation: JsonObject | None = None,
    **more: Any,
) -> JsonObject:
    """One version of an app; its runs end well unless told otherwise, `more` replaces its fields."""
    threshold = {"metric": "NSE", "operator": "mustBeGreaterThan", "value": f"{LEAST:.2f}"}
    return {
        "version": number,
        "components": [
            {
                "name": "web",
                **container("serve"),
                "ports": [{"name": "http", "port": 8080}],
                "readiness": {"path": "/", "port": 8080},
            }
        ],
        "parameters": [
            {
                "name": "objective",
                "type": "string",
                "options": ["NSE", "KGE"],
                "default": "NSE",
                "description": "What.",
            },
            {"name": "depth", "type": "number", "minimum": "0.5", "default": "2", "description": "How deep."},
        ],
        "dataRequirements": [
            {
                "name": "series",
                "description": "A series.",
                "delivery": "Direct",
                "kinds": ["http-csv"],
                "fields": FIELDS,
            }
        ],
        "calibration": {**(calibration or run(CALIBRATED)), "window": CALIBRATION, "thresholds": []},
        "validation": {**(validation or run(VALIDATED)), "window": VALIDATION, "thresholds": [threshold]},
    } | more


def scored(number: str = "1.0.0", *, nse: str = "0.80", code: int = 0, held: bool = False, **more: Any) -> JsonObject:
    """One version of an app that the platform judges; `nse` is what its validation comes to."""
    found = ScoreReport.model_validate({"parameters": [{"name": "depth", "value": "1.5"}]})
    about = {"target": "discharge", "rows": 731, "digest": DIGEST, "truth": DIGEST}
    score = {"target": "discharge", "metric": "NSE", "value": nse}
    report = ScoreReport.model_validate({"predicted": [about], "scores": [score]})
    command = {"command": ["python"]}
    return version(
        number,
        calibration=run(found.sealed()) | command,
        validation=run(report.sealed(), code=code, held=held) | command,
        dataRequirements=[{"name": "series", "description": "A series.", "fields": FIELDS}],
        targets=[{"name": "discharge", "requirement": "series", "field": "discharge_m3s", "kind": "Continuous"}],
        **more,
    )


def listing(name: str, *versions: JsonObject, **spec: Any) -> JsonObject:
    """An app in the store."""
    words = dict.fromkeys(("app", "platform", "devices", "data"), "Nothing special.")
    body = {
        "title": "An app of the tests",
        "description": "It does nothing.",
        "category": "testing",
        "builder": {"name": "The tests"},
        "minimumSpecification": words,
        "businessModel": {"kind": "Free"},
        "review": [{"criterion": c, "score": 8, "reviewedOn": "2026-06-01"} for c in CRITERIA],
        "versions": list(versions or [version()]),
    }
    return {"apiVersion": API, "kind": "AppListing", "metadata": {"name": name, "labels": OURS}, "spec": body | spec}


def source(endpoint: str, name: str = "gauge", **more: Any) -> JsonObject:
    """A data source."""
    return {
        "name": name,
        "title": "A river gauge",
        "kind": "http-csv",
        "endpoint": endpoint,
        "contract": {
            "version": "1.0.0",
            "fields": FIELDS,
            "temporalExtent": {"start": "2012-01-01", "end": "2016-12-31"},
        },
        "accessRights": "public",
        "licence": "CC0-1.0",
        "purposes": ["testing"],
    } | more


def platform(namespace: str, *sources: JsonObject, name: str = "oup", **spec: Any) -> JsonObject:
    """A city's platform."""
    body = {"municipality": {"name": "Proefstad", "code": "GM9998"}, "dataSources": list(sources)}
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": API, "kind": "MunicipalityPlatform", "metadata": metadata, "spec": body | spec}


def installation(namespace: str, name: str, app: str, **spec: Any) -> JsonObject:
    """One app on that platform."""
    metadata = {"name": name, "namespace": namespace}
    body = {"listing": app, "version": "1.0.0", "platform": "oup"}
    return {"apiVersion": API, "kind": "Installation", "metadata": metadata, "spec": body | spec}


def credentials(namespace: str, name: str, **values: str) -> JsonObject:
    """A Secret that the operator may read."""
    metadata = {"name": name, "namespace": namespace, "labels": {"ddtas.nl/credentials": "true"}}
    data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data}
