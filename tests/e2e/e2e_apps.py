"""Small apps for the tests: a few lines of Python each, run by the interpreter that the example images have."""

import json
from collections.abc import Sequence
from typing import Any

JsonObject = dict[str, Any]

CALIBRATION = {"start": "2013-01-01", "end": "2014-12-31"}
VALIDATION = {"start": "2015-01-01", "end": "2016-12-31"}

RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}


def report(text: str) -> str:
    """Code that leaves this termination message."""
    return f"open('/dev/termination-log', 'w').write({text!r})"


def result(window: JsonObject, **more: object) -> str:
    """Code that reports a result as agreed."""
    return report(json.dumps({"metrics": {"NSE": 0.8}, "windows": [window], "message": "fits", **more}))


CALIBRATE = result(CALIBRATION, parameters={"depth": 1.5})
# Reports the metric that the Installation's parameter `quality` says: so an edit can make a validation fail.
VALIDATE = (
    "import json; quality = json.load(open('/etc/ddtas/parameters.json'))['quality']; "
    "depth = json.load(open('/etc/ddtas/calibrated.json'))['depth']; assert depth == 1.5; "
    f"result = {{'metrics': {{'NSE': quality}}, 'windows': [{VALIDATION!r}]}}; "
    "open('/dev/termination-log', 'w').write(json.dumps(result))"
)
SERVE = """
import json, http.server
run, calibrated, evidence = (json.load(open(f'/etc/ddtas/{n}.json')) for n in ('run', 'calibrated', 'evidence'))
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({'revision': run['revision'], 'calibrated': calibrated, 'evidence': evidence}).encode()
        self.send_response(200)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args): pass
http.server.ThreadingHTTPServer(('', 8080), Handler).serve_forever()
"""


def sleeping(seconds: float, code: str) -> str:
    """The same, later."""
    return f"import time; time.sleep({seconds}); {code}"


# The first process of a container ends on SIGTERM only where it says so; without this, each pod takes 30 s to end.
OBEDIENT = "import os, signal; signal.signal(signal.SIGTERM, lambda *_: os._exit(143))\n"


def python(image: str, code: str, memory: str = "64Mi") -> JsonObject:
    """A container that runs this code."""
    return {
        "image": image,
        "command": ["python3", "-c", OBEDIENT + code],
        "resources": {
            "requests": {"cpu": "10m", "memory": "16Mi"},
            "limits": {"cpu": "1", "memory": memory},
        },
    }


def version(
    image: str,
    *,
    number: str = "1.0.0",
    calibrate: str = CALIBRATE,
    validate: str = VALIDATE,
    serve: str = SERVE,
    templates: Sequence[str] = (),
    images: JsonObject | None = None,
    timeout: int = 120,
    memory: str = "64Mi",
) -> JsonObject:
    """One version of an app.

    Args:
        image: of all containers, but for those that `images` names.
        number: of the version.
        calibrate: the code of the calibration run.
        validate: the code of the validation run.
        serve: the code of the component `web`.
        templates: manifests.
        images: other images, by `calibrate`, `validate`, `serve`.
        timeout: of each run.
        memory: limit of the calibration run.
    """
    image_of = dict.fromkeys(("calibrate", "validate", "serve"), image) | (images or {})
    threshold = {"metric": "NSE", "operator": "mustBeGreaterThan", "value": "0.50"}
    return {
        "version": number,
        "components": [
            {
                "name": "web",
                **python(image_of["serve"], serve),
                "ports": [{"name": "http", "port": 8080}],
                "readiness": {"path": "/", "port": 8080},
            }
        ],
        "templates": [{"name": f"t{n}", "manifest": manifest} for n, manifest in enumerate(templates)],
        "parameters": [
            {"name": "quality", "type": "number", "default": "0.8", "description": "The metric that validation finds."}
        ],
        "dataRequirements": [
            {
                "name": "series",
                "description": "A daily series.",
                "delivery": "Direct",
                "kinds": ["http-csv"],
                "fields": [{"name": "date", "type": "date"}, {"name": "discharge_m3s", "type": "number"}],
            }
        ],
        "calibration": {
            **python(image_of["calibrate"], calibrate, memory),
            "window": CALIBRATION,
            "timeoutSeconds": timeout,
            "thresholds": [],
        },
        "validation": {
            **python(image_of["validate"], validate),
            "window": VALIDATION,
            "timeoutSeconds": timeout,
            "thresholds": [threshold],
        },
    }


# Of an app with targets: what it finds, and what it predicts of each row that it is asked for, the mean of what it saw.
FIND = "import json; json.dump({'depth': 1.5}, open('/output/parameters.json', 'w'))"
READ = """
import csv, json, os
asked = list(csv.DictReader(open('/data/series/predict/discharge.csv')))
seen = [float(r['discharge_m3s']) for r in csv.DictReader(open('/data/series/data.csv')) if r['discharge_m3s']]
mean = sum(seen) / len(seen)
assert json.load(open('/etc/ddtas/calibrated.json')) == {'depth': 1.5}
def leave(rows, name='/output/discharge.csv'):
    with open(name, 'w', newline='') as file:
        writer = csv.writer(file)
        writer.writerow([*asked[0], 'value'])
        writer.writerows(rows)
honest = [[*row.values(), mean] for row in asked]
"""
PREDICT = READ + "leave(honest)"


def scored(image: str, *, find: str = FIND, predict: str = PREDICT, least: str = "0.5", **more: Any) -> JsonObject:
    """One version of an app that the platform judges: it must predict the discharge better than `least` (NSE)."""
    made = version(image, calibrate=find, validate=predict, **more)
    (requirement,) = made["dataRequirements"]
    requirement |= {"delivery": "Files"}
    del requirement["kinds"]
    made["targets"] = [{"name": "discharge", "requirement": "series", "field": "discharge_m3s", "kind": "Continuous"}]
    made["validation"]["thresholds"][0]["value"] = least
    return made


def listing(name: str, *versions: JsonObject) -> JsonObject:
    """An app in the store."""
    criteria = ("Ethical", "Legal", "Social", "Economic", "Technical", "Management")
    return {
        "apiVersion": "ddtas.nl/v1alpha1",
        "kind": "AppListing",
        "metadata": {"name": name},
        "spec": {
            "title": f"Test app {name}",
            "description": "A test's.",
            "category": "test",
            "builder": {"name": "The tests"},
            "minimumSpecification": dict.fromkeys(("app", "platform", "devices", "data"), "Little."),
            "businessModel": {"kind": "Free"},
            "review": [{"criterion": c, "score": 8, "reviewedOn": "2026-06-01"} for c in criteria],
            "versions": list(versions),
        },
    }


def namespace(name: str) -> JsonObject:
    """A municipality's namespace, where only restricted pods may run."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": RESTRICTED}}


def platform(namespace: str, endpoint: str) -> JsonObject:
    """A platform with one data source."""
    units = {
        "date": None,
        "precipitation_mm": "mm",
        "potential_evapotranspiration_mm": "mm",
        "discharge_m3s": "m3/s",
    }
    fields = [
        {"name": name, "type": "number" if unit else "date"} | ({"unit": unit} if unit else {})
        for name, unit in units.items()
    ]
    return {
        "apiVersion": "ddtas.nl/v1alpha1",
        "kind": "MunicipalityPlatform",
        "metadata": {"name": "oup", "namespace": namespace},
        "spec": {
            "municipality": {"name": "Teststad", "code": "GM9998"},
            "dataSources": [
                {
                    "name": "gauge",
                    "title": "A daily series",
                    "theme": "water",
                    "kind": "http-csv",
                    "endpoint": endpoint,
                    "contract": {
                        "version": "1.0.0",
                        "fields": fields,
                        "timeResolution": "P1D",
                        "temporalExtent": {"start": "2012-01-01", "end": "2016-12-31"},
                    },
                    "accessRights": "public",
                    "licence": "CC0-1.0",
                    "purposes": ["flood-prevention"],
                    "serviceLevels": [{"property": "availability", "value": "99", "unit": "%"}],
                }
            ],
            "parameters": {"catchmentAreaKm2": 1.783},
        },
    }


def installation(namespace: str, name: str, listing: str, **spec: object) -> JsonObject:
    """One app on that platform."""
    return {
        "apiVersion": "ddtas.nl/v1alpha1",
        "kind": "Installation",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"listing": listing, "version": "1.0.0", "platform": "oup", **spec},
    }


def restricted_pod(namespace: str, name: str, labels: dict[str, str], container: JsonObject) -> JsonObject:
    """A pod that Pod Security "restricted" lets in."""
    safe = {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {
            "automountServiceAccountToken": False,
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
            "terminationGracePeriodSeconds": 1,
            "containers": [{"name": "main", "imagePullPolicy": "IfNotPresent", "securityContext": safe} | container],
        },
    }
