"""An app that gets its data as files, on a real API server: what is made, what is read back, and what rests then."""

import json

import cluster_apps as apps
from cluster_city import City
from cluster_kit import KINDS

FILES = {"name": "series", "description": "A series.", "fields": apps.FIELDS}


def test_an_app_gets_its_data_as_files(city: City) -> None:
    city.start()
    city.store(apps.version(dataRequirements=[FILES]))
    city.platform()
    flood = city.install()
    status = flood.served()["status"]
    (revision,) = status["revisions"]
    for phase in ("calibration", "validation"):
        (table,) = revision[phase]["tables"]
        assert (table["requirement"], table["rows"], table["bytes"]) == ("series", 1827, 60000)
    orders = [c for c in flood.children(KINDS["ConfigMap"]) if c["metadata"]["name"].endswith("-order")]
    (order,) = orders
    assert set(order["data"]) == {"calibrate.json", "validate.json", "serve-web.json"}
    columns = json.loads(order["data"]["calibrate.json"])["deliveries"]["series"]["table"]["columns"]
    assert [column["name"] for column in columns] == ["date", "discharge_m3s"]
    (deployment,) = flood.children(KINDS["Deployment"])
    spec = deployment["spec"]["template"]["spec"]
    assert [c["name"] for c in spec["initContainers"]] == ["follow"]
    assert "/bindings/series" not in [m["mountPath"] for m in spec["containers"][0]["volumeMounts"]]
