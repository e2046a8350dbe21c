"""The CRDs on a real API server: what is accepted, what is refused and in which words, and how kubectl shows it."""

import copy
import json
import re
from collections.abc import Iterator
from typing import Any

import cluster_apps as apps
import pytest
import yaml
from cluster_kit import KINDS, REPO, SESSION, ApiServer, JsonObject, Refused

OURS = ("AppListing", "MunicipalityPlatform", "Installation")
EXAMPLES = [
    pytest.param(body, id=f"{file.name}-{body['kind']}-{body['metadata']['name']}")
    for file in sorted((REPO / "examples").rglob("*.yaml"))
    for body in yaml.safe_load_all(file.read_text())
    if body and body["kind"] in OURS
]
CRDS = [yaml.safe_load(file.read_text()) for file in sorted((REPO / "crds").glob("*.yaml"))]
STORE = f"crd-{SESSION}"

PRODUCT = {"name": "forecast", "title": "A forecast", "component": "web", "path": "/", "kind": "http-csv"} | {
    "contract": {"version": "1.0.0"},
    "accessRights": "public",
    "licence": "CC0-1.0",
    "purposes": ["testing"],
}

VOLUME = {"name": "data", "mountPath": "/archive", "size": "1Gi"}

CALL = {"host": "api.weather.example", "ports": [443], "reason": "The forecast."}
PERMITTED = {"name": "centre", "ports": [443]}

# The objects that are then made wrong.
GOOD = {
    "AppListing": apps.listing(
        STORE,
        apps.version(
            dataProducts=[{"name": "forecast", "title": "A forecast", "component": "web", "path": "/"}],
            templates=[{"name": "extra", "manifest": "kind: ConfigMap"}],
            egress=[CALL],
            components=[*apps.version()["components"], {"name": "batch", **apps.container("batch")}],
        ),
        serviceLevel={"availabilityPercent": "99.5", "responseTimeHours": 24},
    ),
    "MunicipalityPlatform": apps.platform(
        "default",
        apps.source("https://data.example/series.csv", credentials={"secretName": "gauge", "scheme": "Basic"}),
        name=STORE,
        limits={"cpu": "2", "memory": "2Gi"},
        egress=[PERMITTED | {"cidr": "10.1.2.3/8"}, {"name": "any", "host": "*", "ports": [443]}],
        ingress=[{"name": "gateway", "namespace": "gateways"}, {"name": "six", "cidr": "fd00::/8"}],
        nameServers=["169.254.20.10", "fd00::10"],
    ),
    "Installation": apps.installation(
        "default",
        f"inst-{SESSION}",
        STORE,
        bindings=[{"requirement": "series", "dataSource": "gauge"}],
        windows={"calibration": apps.CALIBRATION, "validation": apps.VALIDATION},
    ),
}
GONE = object()
VERSION, SOURCE = "spec.versions.0", "spec.dataSources.0"


def json_source(**service: Any) -> JsonObject:
    """A plain JSON service as a data source."""
    return apps.source("https://data.example/levels", kind="http-json", jsonService=service)


def changed(body: JsonObject, path: str, value: Any) -> JsonObject:
    """A copy with another value at a path; GONE removes what is there."""
    result = copy.deepcopy(body)
    *parents, last = path.split(".")
    place: Any = result
    for part in parents:
        place = place[int(part) if isinstance(place, list) else part]
    if value is GONE:
        del place[last]
    else:
        place[int(last) if isinstance(place, list) else last] = value
    return result


def at(path: str) -> Any:
    """What the good listing has there."""
    place: Any = GOOD["AppListing"]
    for part in path.split("."):
        place = place[int(part) if isinstance(place, list) else part]
    return copy.deepcopy(place)


@pytest.fixture(scope="module")
def store(cluster: ApiServer) -> Iterator[ApiServer]:
    """The good objects are there."""
    for body in GOOD.values():
        cluster.apply(body)
    yield cluster
    for body in GOOD.values():
        cluster.delete(KINDS[body["kind"]], body["metadata"].get("namespace"), body["metadata"]["name"])


@pytest.mark.parametrize("body", EXAMPLES)
def test_each_example_is_accepted(cluster: ApiServer, space: str, body: JsonObject) -> None:
    mine = copy.deepcopy(body)
    if "namespace" in mine["metadata"]:
        mine["metadata"]["namespace"] = space
    else:
        mine["metadata"] |= {"name": f"{mine['metadata']['name']}-{SESSION}", "labels": apps.OURS}
    assert cluster.dry_run(mine) == ""
    cluster.apply(mine)
    live = cluster.get(KINDS[mine["kind"]], mine["metadata"].get("namespace"), mine["metadata"]["name"])
    assert live["spec"] == mine["spec"], "the API server drops, adds or changes something"


WRONG: list[tuple[str, str, Any, str]] = [
    # kind, field, wrong value, what the API server must say
    ("AppListing", f"{VERSION}.egress", [CALL | {"host": "API.example"}], "must be a host name in lower case"),
    ("AppListing", f"{VERSION}.egress", [CALL | {"host": "*.example"}], "must be a host name in lower case"),
    ("AppListing", f"{VERSION}.egress", [CALL | {"host": "web"}], "must be a host name in lower case"),
    ("AppListing", f"{VERSION}.egress", [CALL | {"ports": []}], "should have at least 1 items"),
    ("AppListing", f"{VERSION}.egress", [CALL | {"ports": [0]}], "should be greater than or equal to 1"),
    ("AppListing", f"{VERSION}.egress", [{k: v for k, v in CALL.items() if k != "reason"}], "reason: Required value"),
    ("AppListing", f"{VERSION}.egress", [CALL, CALL], "Duplicate value"),
    ("MunicipalityPlatform", "spec.egress", [PERMITTED], "either a host or a cidr"),
    (
        "MunicipalityPlatform",
        "spec.egress",
        [PERMITTED | {"host": "*", "cidr": "10.0.0.0/8"}],
        "either a host or a cidr",
    ),
    ("MunicipalityPlatform", "spec.egress", [PERMITTED | {"host": "*.*.example"}], "*. and the end of one"),
    ("MunicipalityPlatform", "spec.egress", [PERMITTED | {"cidr": "10.0.0.0"}], "must be a range of addresses"),
    ("MunicipalityPlatform", "spec.egress", [PERMITTED | {"cidr": "10.0.0.0/99"}], "must be a range of addresses"),
    ("MunicipalityPlatform", "spec.ingress", [{"name": "gateway"}], "either a namespace or a cidr"),
    ("MunicipalityPlatform", "spec.ingress", [{"name": "g", "cidr": "10.300.0.0/16"}], "must be a range of addresses"),
    ("MunicipalityPlatform", "spec.nameServers", ["1.2.3"], "nameServers must be IP addresses"),
    ("MunicipalityPlatform", "spec.nameServers", ["dns"], "must be an IP address"),
    ("AppListing", f"{VERSION}.version", "1.0", "must be a version of three numbers"),
    ("AppListing", f"{VERSION}.version", "v1.0.0", "must be a version of three numbers"),
    ("AppListing", f"{VERSION}.channels", [], "should have at least 1 items"),
    ("AppListing", f"{VERSION}.channels", ["beta", "beta"], "Duplicate value"),
    ("AppListing", f"{VERSION}.version", "1.0.0-" + "a" * 60, "Too long: may not be more than 64"),
    ("AppListing", f"{VERSION}.state", "Retired", 'supported values: "Active", "Deprecated", "Withdrawn"'),
    ("AppListing", f"{VERSION}.validation.window.start", "2014-12-31", "must not share a day with the calibration"),
    ("AppListing", f"{VERSION}.validation.window", apps.CALIBRATION, "must not share a day with the calibration"),
    ("AppListing", f"{VERSION}.calibration.window.end", "2012-12-31", "start must not be after end"),
    ("AppListing", f"{VERSION}.calibration.window.end", "31-12-2014", "must be of type date"),
    ("AppListing", f"{VERSION}.calibration.window.end", "2014-02-30", "must be of type date"),
    ("AppListing", f"{VERSION}.validation.thresholds", [], "validation needs at least one threshold"),
    ("AppListing", f"{VERSION}.validation.thresholds", GONE, "spec.versions[0].validation.thresholds: Required value"),
    ("AppListing", f"{VERSION}.validation.thresholds.0.operator", ">", "mustBeGreaterThan"),
    ("AppListing", f"{VERSION}.validation.thresholds.0.value", 0.5, "must be of type string"),
    ("AppListing", f"{VERSION}.validation.thresholds.0.value", "a half", "must be a decimal number written as a text"),
    ("AppListing", f"{VERSION}.validation.timeoutSeconds", 5, "should be greater than or equal to 10"),
    ("AppListing", f"{VERSION}.validation.retries", 6, "should be less than or equal to 5"),
    ("AppListing", f"{VERSION}.calibration", GONE, "spec.versions[0].calibration: Required value"),
    ("AppListing", f"{VERSION}.components", [], "should have at least 1 items"),
    ("AppListing", f"{VERSION}.components.0.image", "not an image", "must be an image reference such as"),
    ("AppListing", f"{VERSION}.components.0.image", "app@sha256:1234", "64 hexadecimal digits"),
    ("AppListing", f"{VERSION}.components.0.name", "a" * 21, "may not be more than 20"),
    ("AppListing", f"{VERSION}.components.0.name", "follow", "no component may be named follow"),
    *(
        ("AppListing", f"{VERSION}.{place}.reads", ["levels"], "reads must name data requirements of the same version")
        for place in ("calibration", "validation", "components.0")
    ),
    ("AppListing", f"{VERSION}.components.0.name", "Web", "must be lower-case letters, digits and hyphens"),
    ("AppListing", f"{VERSION}.components.0.ports.0.port", 70000, "should be less than or equal to 65535"),
    ("AppListing", f"{VERSION}.components.0.readiness.path", "health", "readiness.path"),
    ("AppListing", f"{VERSION}.components.0.replicas", 0, "should be greater than or equal to 1"),
    ("AppListing", f"{VERSION}.components.0.resources", GONE, "components[0].resources: Required value"),
    (
        "AppListing",
        f"{VERSION}.components.0.resources.limits.memory",
        "16 MB",
        "must be an amount without a sign or spaces",
    ),
    ("AppListing", f"{VERSION}.components.0.resources.limits.memory", GONE, "limits.memory: Required value"),
    ("AppListing", f"{VERSION}.components.0.resources.requests.cpu", "1", "requests must not be more than limits"),
    ("AppListing", f"{VERSION}.components.0.ports", [{"name": n, "port": 80} for n in "ab"], "have the same number"),
    ("AppListing", f"{VERSION}.components.0.ports", [{"name": "a", "port": n} for n in (1, 2)], "Duplicate value"),
    ("AppListing", f"{VERSION}.components.0.env", [{"name": "2ND", "value": "x"}], "components[0].env[0].name"),
    *(
        ("AppListing", f"{VERSION}.components.0.volumes", [VOLUME | {"mountPath": path}], said)
        for path, said in (
            ("data", "volumes[0].mountPath"),
            ("/", "volumes[0].mountPath"),
            ("/archive/", "volumes[0].mountPath"),
            ("/archive/../etc", "volumes[0].mountPath"),
            ("/tmp", "neither inside nor above /tmp, /bindings, /data, /etc/ddtas"),  # noqa: S108
            ("/tmp/cache", "neither inside nor above"),  # noqa: S108
            ("/etc", "neither inside nor above"),
            ("/etc/ddtas", "neither inside nor above"),
            ("/bindings/series", "neither inside nor above"),
            ("/data/series", "neither inside nor above"),
            ("/dev", "neither inside nor above"),
        )
    ),
    ("AppListing", f"{VERSION}.components.0.volumes", [VOLUME | {"size": "0"}], "volumes[0].size"),
    ("AppListing", f"{VERSION}.components.0.volumes", [VOLUME | {"size": "1.5Gi"}], "volumes[0].size"),
    ("AppListing", f"{VERSION}.components.0.volumes", [VOLUME | {"name": "my.data"}], "volumes[0].name"),
    (
        "AppListing",
        f"{VERSION}.components.0.volumes",
        [VOLUME | {"accessMode": "ReadOnlyMany"}],
        "accessMode: Unsupported value",
    ),
    ("AppListing", f"{VERSION}.components.0.volumes", [VOLUME, VOLUME], "Duplicate value"),
    ("AppListing", f"{VERSION}.components.0.volumes", [VOLUME, VOLUME | {"name": "b"}], "no mountPath may be that of"),
    (
        "AppListing",
        f"{VERSION}.components.0.volumes",
        [VOLUME, {"name": "b", "mountPath": "/archive/inside", "size": "1Gi"}],
        "no mountPath may be that of another volume, or inside it",
    ),
    ("AppListing", f"{VERSION}.components.0.volumes", [{**VOLUME, "name": f"v{n}"} for n in range(5)], "at most 4"),
    (
        "AppListing",
        f"{VERSION}.components.0",
        at(f"{VERSION}.components.0") | {"replicas": 2, "volumes": [VOLUME]},
        "volumes of a component with several replicas need accessMode ReadWriteMany",
    ),
    ("MunicipalityPlatform", "spec.storageClassName", "Fast Disks", "spec.storageClassName"),
    ("MunicipalityPlatform", "spec.limits.storage", "much", "spec.limits.storage"),
    ("Installation", "spec.volumes", "Keep", "spec.volumes: Unsupported value"),
    ("AppListing", f"{VERSION}.templates.0.manifest", "x" * 16385, "may not be more than 16384"),
    ("AppListing", f"{VERSION}.parameters.0.minimum", "1", "minimum and maximum need type integer or number"),
    ("AppListing", f"{VERSION}.parameters.1.options", ["1", "2"], "options need type string"),
    ("AppListing", f"{VERSION}.parameters.1.maximum", "0.1", "minimum must not be more than maximum"),
    ("AppListing", f"{VERSION}.parameters.0.default", "RMSE", "default must be one of the options"),
    ("AppListing", f"{VERSION}.parameters.0.default", 5, "must be of type string"),
    (
        "AppListing",
        f"{VERSION}.parameters.0.type",
        "float",
        'supported values: "boolean", "integer", "number", "string"',
    ),
    ("AppListing", f"{VERSION}.parameters", [at(f"{VERSION}.parameters.0")] * 2, "Duplicate value"),
    ("AppListing", f"{VERSION}.dataRequirements", [], "should have at least 1 items"),
    ("AppListing", f"{VERSION}.dataRequirements.0.kinds", ["ftp"], '"ftp": supported values'),
    (
        "AppListing",
        f"{VERSION}.dataRequirements.0.timeResolution",
        "daily",
        "must be an ISO 8601 duration, such as PT1H",
    ),
    ("AppListing", f"{VERSION}.dataProducts.0.component", "api", "must name a component of the same version"),
    ("AppListing", f"{VERSION}.dataProducts.0.kind", "http-csv", "a product with a kind is a data source"),
    ("AppListing", f"{VERSION}.dataProducts.0.kind", "mqtt", "it cannot be postgresql, mqtt, s3 or http-json"),
    ("AppListing", f"{VERSION}.dataProducts.0.kind", "wfs", "this kind needs a physicalName"),
    (
        "AppListing",
        f"{VERSION}.dataProducts.0.declassified",
        "Sums only.",
        "declassified belongs to a product with a kind",
    ),
    (
        "AppListing",
        f"{VERSION}.dataProducts.0",
        PRODUCT | {"component": "batch"},
        "the component of a data product with a kind must have a port",
    ),
    (
        "AppListing",
        f"{VERSION}.dataRequirements.0.upstreamMetrics",
        [{"metric": "NSE", "operator": ">", "value": "0.5"}],
        "mustBeGreaterThan",
    ),
    (
        "MunicipalityPlatform",
        "spec.accepts",
        [{"name": "gauge", "namespace": "n", "installation": "i", "product": "p"}],
        "a name in accepts must not be that of a data source",
    ),
    ("Installation", "spec.removal", "Never", 'supported values: "Wait", "Warn"'),
    ("Installation", "spec.offers", [{"product": "forecast", "to": []}], "should have at least 1 items"),
    ("AppListing", "spec.versions", [], "should have at least 1 items"),
    ("AppListing", "spec.versions", [at(VERSION)] * 2, "Duplicate value"),
    ("AppListing", "spec.versions", [at(VERSION) | {"version": f"{n}.0.0"} for n in range(21)], "at most 20 items"),
    ("AppListing", "spec.title", GONE, "spec.title: Required value"),
    ("AppListing", "spec.title", "x" * 201, "may not be more than 200"),
    ("AppListing", "spec.category", "Water Management", "spec.category"),
    ("AppListing", "spec.review.0.score", 11, "should be less than or equal to 10"),
    ("AppListing", "spec.review.0.criterion", "Beauty", "supported values"),
    ("AppListing", "spec.review.1.criterion", "Ethical", "Duplicate value"),
    ("AppListing", "spec.review.0.reviewedOn", "yesterday", "must be of type date"),
    ("AppListing", "spec.businessModel.kind", "Expensive", 'supported values: "Free"'),
    ("AppListing", "spec.serviceLevel.availabilityPercent", 99.5, "must be of type string"),
    ("AppListing", "spec.colour", "blue", 'unknown field "spec.colour"'),
    ("MunicipalityPlatform", f"{SOURCE}.endpoint", "https://me:secret@data.example/x", "must not hold a user name"),
    ("MunicipalityPlatform", f"{SOURCE}.endpoint", "https://me@data.example/x", "name a Secret in credentials"),
    ("MunicipalityPlatform", f"{SOURCE}.endpoint", "file:///etc/passwd", "must be an http, https, postgresql"),
    ("MunicipalityPlatform", f"{SOURCE}.endpoint", "https://data.example/a b", "address without spaces"),
    ("MunicipalityPlatform", f"{SOURCE}.kind", "ftp", '"ftp": supported values'),
    ("MunicipalityPlatform", f"{SOURCE}.accessRights", "secret", '"non-public", "public", "restricted"'),
    ("MunicipalityPlatform", f"{SOURCE}.credentials.scheme", "Digest", '"Digest": supported values'),
    ("MunicipalityPlatform", f"{SOURCE}.credentials.header", "X-Key", "header belongs to the scheme ApiKey"),
    ("MunicipalityPlatform", f"{SOURCE}.credentials.scope", "read", "scope belongs to OAuth2"),
    ("MunicipalityPlatform", f"{SOURCE}.credentials.region", "eu", "region belongs to the scheme SigV4"),
    ("MunicipalityPlatform", f"{SOURCE}.credentials.tokenUrl", "https://sso.example/token", "no other scheme has one"),
    (
        "MunicipalityPlatform",
        f"{SOURCE}.credentials.scheme",
        "OAuth2ClientCredentials",
        "OAuth2ClientCredentials needs a tokenUrl",
    ),
    ("MunicipalityPlatform", f"{SOURCE}.kind", "wfs", "this kind needs a physicalName"),
    ("MunicipalityPlatform", f"{SOURCE}.kind", "ogc-edr", "this kind needs a physicalName"),
    ("MunicipalityPlatform", f"{SOURCE}.kind", "postgresql", "must be a postgresql:// URL for kind postgresql"),
    ("MunicipalityPlatform", f"{SOURCE}.endpoint", "mqtt://broker.example", "http:// or https:// for all others"),
    ("MunicipalityPlatform", f"{SOURCE}.physicalName", " levels", "physicalName"),
    ("MunicipalityPlatform", f"{SOURCE}.contract.crs", "RD New", "such as EPSG:28992"),
    (
        "MunicipalityPlatform",
        f"{SOURCE}.contract.extent",
        {"crs": "EPSG:28992", "bbox": ["1", "2", "3"]},
        "should have at least 4 items",
    ),
    (
        "MunicipalityPlatform",
        f"{SOURCE}.contract.quality",
        [{"name": "r", "metric": "nullValues", "operator": "mustBe", "value": "0", "unit": "rows"}],
        "each metric needs a field",
    ),
    *(
        (
            "MunicipalityPlatform",
            f"{SOURCE}.contract.quality",
            [{"name": "r", "metric": "rowCount", "operator": operator, "unit": "rows"} | bounds],
            message,
        )
        for operator, bounds, message in (
            ("mustBeBetween", {"value": "1"}, "need an upper bound"),
            ("mustBe", {"value": "1", "upper": "2"}, "no other operator has one"),
            ("mustNotBeBetween", {"value": "2", "upper": "1"}, "value must be less than upper"),
        )
    ),
    (
        "AppListing",
        f"{VERSION}.validation.thresholds",
        [{"metric": "NSE", "operator": "mustNotBe", "value": "1"}],
        "supported values",
    ),
    (
        "MunicipalityPlatform",
        "spec.municipality.area",
        {"crs": "EPSG:28992", "wkt": "POINT(1 2)"},
        "municipality.area.wkt",
    ),
    ("AppListing", f"{VERSION}.dataRequirements.0.contractVersion", "~1.2", "such as >=1.2.0 <2.0.0"),
    ("AppListing", f"{VERSION}.dataRequirements.0.coverage", {"minimumPercent": 101}, "less than or equal to 100"),
    ("MunicipalityPlatform", f"{SOURCE}.credentials.secretName", "Gauge", "must be the name of a Secret"),
    ("MunicipalityPlatform", f"{SOURCE}.contract.fields", [apps.FIELDS[0]] * 2, "Duplicate value"),
    ("MunicipalityPlatform", f"{SOURCE}.contract.version", "one", "must be a version of three numbers"),
    ("MunicipalityPlatform", f"{SOURCE}.purposes", [], "should have at least 1 items"),
    ("MunicipalityPlatform", f"{SOURCE}.purposes", ["a", "a"], "Duplicate value"),
    ("MunicipalityPlatform", f"{SOURCE}.kind", "http-json", "kind http-json needs a jsonService"),
    ("MunicipalityPlatform", f"{SOURCE}.jsonService", {"rows": ["/data"]}, "and no other kind has one"),
    *(
        ("MunicipalityPlatform", SOURCE, json_source(**wrong), says)
        for wrong, says in (
            ({"rows": ["data"]}, "jsonService.rows[0]: Invalid value"),
            ({"rows": ["/a~2"]}, "jsonService.rows[0]: Invalid value"),
            ({"fields": [{"name": "a", "pointer": "a"}]}, "jsonService.fields[0].pointer: Invalid value"),
            ({"fields": [{"name": "a", "pointer": "/a"}] * 2}, "Duplicate value"),
            ({"query": [{"name": "a&b", "value": "1"}]}, "jsonService.query[0].name: Invalid value"),
            ({"body": "{}"}, "jsonService.body: Invalid value"),
            ({"geometry": {}}, "give pointer, or both easting and northing"),
            ({"geometry": {"pointer": "/g", "easting": "/x"}}, "give pointer, or both easting and northing"),
            ({"window": {"longest": "P0D"}}, "jsonService.window.longest: Invalid value"),
            ({"window": {"format": "%Y"}}, "jsonService.window.format: Invalid value"),
            ({"paging": {"firstPage": 2}}, "jsonService.paging.firstPage: Invalid value"),
        )
    ),
    ("MunicipalityPlatform", f"{SOURCE}.licence", GONE, "spec.dataSources[0].licence: Required value"),
    ("MunicipalityPlatform", "spec.dataSources", [apps.source("http://x/")] * 2, "Duplicate value"),
    ("MunicipalityPlatform", "spec.municipality.code", "0344", "must be GM and four digits, such as GM0344"),
    ("MunicipalityPlatform", "spec.municipality.code", "GM03444", "spec.municipality.code"),
    ("MunicipalityPlatform", "spec.limits.cpu", "two", "must be an amount without a sign"),
    ("MunicipalityPlatform", "spec.limits.memory", "-1Gi", "must be an amount without a sign"),
    ("MunicipalityPlatform", "spec.parameters", {f"p{n}": n for n in range(65)}, "must have at most 64 items"),
    ("MunicipalityPlatform", "spec.cluster", {"kubeconfigSecret": {"name": "City"}}, "must be the name of a Secret"),
    ("MunicipalityPlatform", "spec.cluster", {"kubeconfigSecret": {"name": "c", "key": "a/b"}}, "kubeconfigSecret.key"),
    ("MunicipalityPlatform", "spec.cluster", {}, "spec.cluster.kubeconfigSecret: Required value"),
    ("Installation", "metadata.name", "i" * 31, "metadata.name must have at most 30 characters"),
    ("Installation", "metadata.name", "flood.twin", "metadata.name must have at most 30 characters and no dot"),
    ("AppListing", "metadata.name", "x" * 64, "metadata.name must have at most 63 characters"),
    ("AppListing", "metadata.name", "flood.twin", "metadata.name must have at most 63 characters and no dot"),
    ("MunicipalityPlatform", "metadata.name", "x" * 64, "metadata.name must have at most 63 characters"),
    ("MunicipalityPlatform", "metadata.name", "a.b", "metadata.name must have at most 63 characters and no dot"),
    ("Installation", "metadata.name", "with.dot", "no dot"),
    ("Installation", "spec.listing", GONE, "spec.listing: Required value"),
    ("Installation", "spec.version", "latest", "must be a version of three numbers"),
    ("Installation", "spec.version", GONE, "give either version, or versionRange or channel or both"),
    ("Installation", "spec.versionRange", ">=1.0.0", "give either version, or versionRange or channel or both"),
    ("Installation", "spec.channel", "stable", "give either version, or versionRange or channel or both"),
    ("Installation", "spec.versionRange", "^1.0.0", "must be bounds on versions of three numbers"),
    ("Installation", "spec.upgradePolicy", "Manual", "upgradePolicy and approvedVersion need a versionRange or"),
    ("Installation", "spec.upgradePolicy", "Never", "spec.upgradePolicy: Unsupported value"),
    ("Installation", "spec.approvedVersion", "1.1.0", "upgradePolicy and approvedVersion need a versionRange or"),
    ("Installation", "spec.rollbackTo", "flood-0123456789", "spec.rollbackTo"),
    ("Installation", "spec.platform", "oup_1", "must be lower-case letters, digits and hyphens"),
    ("Installation", "spec.bindings", [{"requirement": "series", "dataSource": d} for d in "ab"], "Duplicate value"),
    ("Installation", "spec.bindings.0.dataSource", GONE, "spec.bindings[0].dataSource: Required value"),
    ("Installation", "spec.windows.validation", apps.CALIBRATION, "must not share a day with the calibration window"),
    ("Installation", "spec.windows.calibration", GONE, "spec.windows.calibration: Required value"),
    ("Installation", "spec.windows.calibration.start", "2015", "must be of type date"),
    ("Installation", "spec.suspend", "yes", "must be of type boolean"),
    ("Installation", "spec.parameters", "depth=2", "must be of type object"),
    ("Installation", "spec", GONE, "spec: Required value"),
]


@pytest.mark.parametrize(
    ("kind", "path", "value", "says"),
    WRONG,
    ids=[f"{n}-{kind}-{path}" for n, (kind, path, _, _) in enumerate(WRONG)],
)
def test_a_wrong_object_is_refused(store: ApiServer, kind: str, path: str, value: Any, says: str) -> None:
    body = changed(GOOD[kind], path, value)
    if path != "metadata.name":
        body["metadata"]["name"] += "-x"
    said = store.dry_run(body)
    assert says in said
    assert said.startswith(("HTTP 422", "HTTP 400"))


@pytest.mark.parametrize(
    "source",
    [
        yaml.safe_load(text)
        for text in re.findall(r"```yaml\n(.*?)```", (REPO / "docs/json-services.md").read_text(), re.S)
    ],
    ids=lambda source: source["name"],
)
def test_an_example_of_a_json_service_stays_as_it_is(store: ApiServer, space: str, source: JsonObject) -> None:
    store.apply(apps.platform(space, source, name="json"))
    assert store.get(KINDS["MunicipalityPlatform"], space, "json")["spec"]["dataSources"] == [source]


@pytest.mark.parametrize("kind", OURS)
def test_the_object_that_is_made_wrong_is_a_good_one(store: ApiServer, kind: str) -> None:
    body = copy.deepcopy(GOOD[kind])
    body["metadata"]["name"] += "-x"
    assert store.dry_run(body) == ""


@pytest.mark.parametrize("field", ["listing", "platform"])
def test_an_installation_stays_what_it_is(store: ApiServer, field: str) -> None:
    good = GOOD["Installation"]["metadata"]
    with pytest.raises(Refused, match=r"listing and platform cannot change: delete this Installation and create anoth"):
        store.merge(KINDS["Installation"], good["namespace"], good["name"], {"spec": {field: "another"}})


def test_a_platform_does_not_move_to_a_cluster_of_its_own_nor_back(store: ApiServer) -> None:
    resource, elsewhere = KINDS["MunicipalityPlatform"], {"kubeconfigSecret": {"name": "city-cluster"}}
    with pytest.raises(Refused, match="workloads do not move between this cluster and the city's own"):
        store.merge(resource, "default", STORE, {"spec": {"cluster": elsewhere}})
    both = copy.deepcopy(GOOD["MunicipalityPlatform"])
    both["metadata"]["name"] += "-x"
    both["spec"]["cluster"] = elsewhere
    assert store.dry_run(both) == ""
    both["spec"]["workloadNamespace"] = "default"
    assert "leave workloadNamespace out" in store.dry_run(both)


def test_short_names_and_the_category(store: ApiServer) -> None:
    inst = GOOD["Installation"]["metadata"]["name"]
    assert f"applisting.ddtas.nl/{STORE}" in store.kubectl("get", "listing", "-o", "name")
    assert f"municipalityplatform.ddtas.nl/{STORE}" in store.kubectl("get", "oup", "-o", "name")
    assert f"installation.ddtas.nl/{inst}" in store.kubectl("get", "inst", "-o", "name")
    everything = store.kubectl("get", "ddtas", "-o", "name")
    assert f"applisting.ddtas.nl/{STORE}" in everything
    assert f"municipalityplatform.ddtas.nl/{STORE}" in everything
    assert f"installation.ddtas.nl/{inst}" in everything


@pytest.mark.parametrize(
    ("short", "columns", "wide"),
    [
        ("listing", "NAME READY REASON TITLE CATEGORY AGE", "VERSIONS MESSAGE"),
        ("oup", "NAME READY REASON MUNICIPALITY SOURCES CONFORMANT APPS AGE", "MESSAGE"),
        ("inst", "NAME READY REASON LISTING VERSION PROGRESS AGE", "URL MESSAGE"),
    ],
)
def test_printer_columns(store: ApiServer, short: str, columns: str, wide: str) -> None:
    assert store.kubectl("get", short).splitlines()[0].split() == columns.split()
    assert set(store.kubectl("get", short, "-o", "wide").splitlines()[0].split()) == {*columns.split(), *wide.split()}


def test_what_the_columns_show(store: ApiServer) -> None:
    place = GOOD["Installation"]["metadata"]
    ready = {
        "type": "Ready",
        "status": "False",
        "reason": "ThresholdNotMet",
        "message": "NSE is 0.24, must be > 0.50",
        "observedGeneration": 1,
        "lastTransitionTime": "2026-06-01T00:00:00Z",
    }
    path = KINDS["Installation"].path(place["namespace"], place["name"], "status")
    status = {"conditions": [ready], "progress": "4/6", "version": "1.0.0"}
    store.request("PATCH", path, {"status": status}, "application/merge-patch+json")
    line = store.kubectl("get", "inst", place["name"]).splitlines()[1]
    assert line.split()[:6] == [place["name"], "False", "ThresholdNotMet", STORE, "1.0.0", "4/6"]
    assert "NSE is 0.24, must be > 0.50" in store.kubectl("get", "inst", place["name"], "-o", "wide")


@pytest.mark.parametrize("short", ["listing", "oup", "inst"])
def test_explain(cluster: ApiServer, short: str) -> None:
    kind = next(c["spec"]["names"]["kind"] for c in CRDS if short in c["spec"]["names"]["shortNames"])
    told = cluster.kubectl("explain", short)
    assert f"KIND:       {kind}" in told
    assert "DESCRIPTION:\n    <empty>" not in told
    assert "-required-" in cluster.kubectl("explain", f"{short}.spec")


@pytest.mark.parametrize(
    ("path", "meaning"),
    [
        ("inst.spec.drift", "Absent: Correct."),
        ("oup.spec.dataSources.contract.freshness", "The newest record is never older than this ISO 8601 duration."),
        ("listing.spec.versions.components.replicas", "How many pods it has. Absent: 1."),
    ],
)
def test_explain_says_what_a_field_is(cluster: ApiServer, path: str, meaning: str) -> None:
    assert meaning in " ".join(cluster.kubectl("explain", path).split())


@pytest.mark.parametrize(("field", "value"), [("listing", STORE), ("platform", "oup")], ids=["listing", "platform"])
def test_installations_can_be_selected(store: ApiServer, field: str, value: str) -> None:
    name = GOOD["Installation"]["metadata"]["name"]
    assert name in store.kubectl("get", "inst", "-o", "name", "--field-selector", f"spec.{field}={value}")
    assert name not in store.kubectl("get", "inst", "-o", "name", "--field-selector", f"spec.{field}=another")


@pytest.mark.parametrize("kind", OURS)
def test_the_status_is_apart(store: ApiServer, kind: str) -> None:
    """Who may write the spec cannot make up a status, and the other way round."""
    body, resource = GOOD[kind], KINDS[kind]
    place = (body["metadata"].get("namespace"), body["metadata"]["name"])
    before = store.get(resource, *place)
    store.merge(resource, *place, {"status": {"observedGeneration": 4711}})
    assert store.get(resource, *place).get("status", {}).get("observedGeneration") != 4711
    patch = {"status": {"observedGeneration": 4711}, "spec": {"versions": [], "dataSources": [], "version": "9.9.9"}}
    store.request("PATCH", resource.path(*place, "status"), patch, "application/merge-patch+json")
    after = store.get(resource, *place)
    assert after["status"]["observedGeneration"] == 4711
    assert after["spec"] == before["spec"]
    assert after["metadata"]["generation"] == before["metadata"]["generation"]


def test_fields_of_a_newer_version_are_no_error_without_strict_validation(store: ApiServer) -> None:
    body = changed(GOOD["AppListing"], "spec.colour", "blue")
    body["metadata"]["name"] += "-y"
    store.request("POST", f"{KINDS['AppListing'].path()}?dryRun=All&fieldValidation=Ignore", body)


# ---- the schema itself ----


def nodes(schema: JsonObject, path: str) -> Iterator[tuple[str, JsonObject]]:
    """Every schema within a schema, with its path."""
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}")
    if "items" in schema:
        yield from nodes(schema["items"], f"{path}[]")


SCHEMAS = [
    pytest.param(part, crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"][part], id=f"{kind}-{part}")
    for crd in CRDS
    for kind in [crd["spec"]["names"]["kind"]]
    for part in ("spec", "status")
]


@pytest.mark.parametrize(("part", "schema"), SCHEMAS)
def test_no_default_and_nothing_that_forbids_a_newer_field(part: str, schema: JsonObject) -> None:
    for path, node in nodes(schema, part):
        # What was not seen yet is in progress, not done: kstatus takes an object without a status for current.
        unseen = {"observedGeneration": -1} if path == "status" else None
        assert node.get("default") == unseen, f"{path}: GitOps tools would see drift"
        assert "additionalProperties" not in node, path
        assert not {"exclusiveMinimum", "exclusiveMaximum"} & node.keys(), path
        assert node["type"] in ("object", "array", "string", "integer", "boolean"), f"{path}: no floats, no unknowns"


@pytest.mark.parametrize(("part", "schema"), SCHEMAS)
def test_every_string_list_and_map_has_a_bound(part: str, schema: JsonObject) -> None:
    for path, node in nodes(schema, part):
        match node["type"]:
            case "string":
                assert "maxLength" in node or "enum" in node or node.get("format") == "date-time", path
            case "array":
                assert "maxItems" in node, path
            case "object":
                assert node.get("properties") or "maxProperties" in node, path


@pytest.mark.parametrize("crd", [pytest.param(c, id=c["spec"]["names"]["kind"]) for c in CRDS])
def test_the_api_server_has_nothing_against_the_schema(cluster: ApiServer, crd: JsonObject) -> None:
    """A schema that is not structural is taken, with a condition that says so."""
    path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{crd['metadata']['name']}"
    live = cluster.request("GET", path)
    conditions = {c["type"]: c["status"] for c in live["status"]["conditions"]}
    assert conditions["Established"] == "True"
    assert conditions["NamesAccepted"] == "True"
    assert conditions.get("NonStructuralSchema", "False") == "False"
    served = live["spec"]["versions"][0]
    assert served["schema"] == json.loads(json.dumps(crd["spec"]["versions"][0]["schema"]))
    assert served["subresources"] == {"status": {}}


def test_several_owners_may_edit_one_list(store: ApiServer) -> None:
    """List-maps: a platform team and a data supplier each apply their own source."""
    resource, place = KINDS["MunicipalityPlatform"], ("default", STORE)
    added = {
        "apiVersion": apps.API,
        "kind": "MunicipalityPlatform",
        "metadata": {"name": STORE, "namespace": "default"},
        "spec": {"dataSources": [apps.source("http://data.example/2.csv", name="second")]},
    }
    path = f"{resource.path(*place)}?fieldManager=supplier"
    live = store.request("PATCH", path, added, "application/apply-patch+yaml")
    assert [s["name"] for s in live["spec"]["dataSources"]] == ["gauge", "second"]
    added["spec"]["dataSources"] = []  # type: ignore[index]
    live = store.request("PATCH", path, added, "application/apply-patch+yaml")
    assert [s["name"] for s in live["spec"]["dataSources"]] == ["gauge"]


# ---- what was offered stays ----

OFFERED = f"{STORE}-judged"
TARGET = {"name": "discharge", "requirement": "series", "field": "discharge_m3s", "kind": "Continuous"}


def judged() -> JsonObject:
    """A listing whose app the platform judges: evidence is about exactly this version."""
    body = copy.deepcopy(GOOD["AppListing"])
    body["metadata"]["name"] = OFFERED
    (version,) = body["spec"]["versions"]
    requirement = next(r for r in version["dataRequirements"] if r["name"] == "series")
    requirement |= {"fields": [{"name": "date", "type": "date"}, {"name": "discharge_m3s", "type": "number"}]}
    requirement |= {"delivery": "Files"}
    for run in ("calibration", "validation", "monitoring"):
        if run in version:
            version[run] = {**version[run], "command": ["python"], "reads": ["series"]}
    version["calibration"]["thresholds"] = []
    return body | {"spec": body["spec"] | {"versions": [version | {"targets": [TARGET]}]}}


@pytest.fixture(scope="module")
def offered(cluster: ApiServer) -> Iterator[ApiServer]:
    cluster.apply(judged())
    yield cluster
    cluster.delete(KINDS["AppListing"], None, OFFERED)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("validation.thresholds.0.value", "-9"),
        ("validation.window.end", "2015-01-31"),
        ("calibration.image", "registry.example/other:2"),
        ("components.0.image", "registry.example/other:2"),
        ("targets", GONE),
        ("targets.0.kind", "Ensemble"),
        ("targets.0.holdout", {"key": "date", "sharePercent": 1}),
        ("dataRequirements.0.warmUpDays", 3),
    ],
)
def test_a_version_that_was_offered_is_not_edited(offered: ApiServer, path: str, value: Any) -> None:
    """A threshold that is lowered after the failure, and the like."""
    with pytest.raises(Refused, match="of a version that was offered cannot change, as evidence is about it: give the"):
        offered.apply(changed(judged(), f"{VERSION}.{path}", value))


def test_what_no_evidence_is_about_may_change_and_a_new_number_takes_new_content(offered: ApiServer) -> None:
    for path, value in (("state", "Deprecated"), ("channels", ["stable", "beta"])):
        offered.apply(changed(judged(), f"{VERSION}.{path}", value))
    offered.apply(changed(judged(), "spec.description", "In other words."))
    body = judged()
    other = copy.deepcopy(body["spec"]["versions"][0]) | {"version": "9.0.0"}
    other["validation"]["thresholds"][0]["value"] = "-9"
    body["spec"]["versions"].append(other)
    offered.apply(body)
