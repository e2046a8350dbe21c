"""What a revision gets as tables: the order, the container that fetches, and what its app has no part in."""

import json
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest
from builders import City
from tables_kit import IMAGE, TABLE, inputs, renderer, wiring

from ddtas.data.delivery.order import Order
from ddtas.plan.children import fetching
from ddtas.plan.children.orders import network_of
from ddtas.plan.revision import Revision, RevisionInputs
from ddtas.plan.snapshot import Manifest
from ddtas.runner import bindings
from ddtas.runner.settings import Places
from ddtas.settings import Runner


def run_pod(of: RevisionInputs) -> Manifest:
    made: Manifest = renderer(of).job("calibrate", of.version.calibration).manifest["spec"]["template"]["spec"]
    return made


def serving_pod(of: RevisionInputs) -> Manifest:
    made: Manifest = renderer(of).deployment(of.version.components[0], "d").manifest["spec"]["template"]["spec"]
    return made


def mounts(container: Manifest) -> dict[str, Any]:
    return {m["mountPath"]: (m["name"], m.get("readOnly", False)) for m in container["volumeMounts"]}


@pytest.mark.parametrize(("pod", "action"), [(run_pod, "fetch"), (serving_pod, "follow")])
def test_the_credentials_of_a_table_are_mounted_in_our_container_alone(pod: Any, action: str) -> None:
    made = pod(inputs())
    (ours,), (app,) = made["initContainers"], made["containers"]
    assert (ours["name"], ours["image"], ours["args"]) == (action, IMAGE, [action])
    assert mounts(ours)["/bindings/files"] == ("binding-files", True)
    assert "/bindings/direct" not in mounts(ours)
    assert mounts(app)["/bindings/direct"] == ("binding-direct", True)
    assert "/bindings/files" not in mounts(app)
    assert mounts(ours)["/data"] == ("data", False)
    assert mounts(app)["/data"] == ("data", True)
    assert {"name": "DDTAS_DATA", "value": "/data"} in app["env"]
    names = [volume["name"] for volume in made["volumes"]]
    assert len(names) == len(set(names))
    assert {name for name, _ in (*mounts(ours).values(), *mounts(app).values())} == set(names)
    assert ours["securityContext"] == app["securityContext"]


def test_beside_a_component_it_goes_on_and_the_component_waits_until_it_has_started() -> None:
    (ours,) = serving_pod(inputs())["initContainers"]
    assert ours["restartPolicy"] == "Always"
    assert ours["startupProbe"]["exec"]["command"] == ["test", "-e", "/data/.started"]
    (once,) = run_pod(inputs())["initContainers"]
    assert "restartPolicy" not in once
    assert "startupProbe" not in once


def test_without_tables_nothing_of_it_is_there() -> None:
    of = inputs(table=None)
    for pod in (run_pod(of), serving_pod(of)):
        assert "initContainers" not in pod
        assert "/data" not in json.dumps(pod)
    assert renderer(of).order(wiring(), network_of(Runner(), City().snapshot().surroundings)) == []


def test_a_container_gets_what_it_reads_and_no_more() -> None:
    direct, files, nothing = (inputs(reads=reads) for reads in (["direct"], ["files"], []))
    assert "initContainers" not in run_pod(direct)
    assert "/bindings/direct" in mounts(run_pod(direct)["containers"][0])
    assert "initContainers" in run_pod(files)
    assert "/bindings/direct" not in mounts(run_pod(files)["containers"][0])
    assert not [path for path in mounts(run_pod(nothing)["containers"][0]) if path.startswith(("/bindings", "/data"))]


def order(of: RevisionInputs) -> dict[str, Order]:
    (made,) = renderer(of).order(wiring(), network_of(Runner(), City().snapshot().surroundings))
    assert made.key == ("ConfigMap", f"{renderer(of).prefix}-order")
    return {key: Order.model_validate_json(text) for key, text in made.manifest["data"].items()}


def test_the_order_of_each_container_says_what_to_fetch_and_no_secret() -> None:
    made = order(inputs())
    assert set(made) == {"calibrate.json", "validate.json", "serve-web.json"}
    for one in made.values():
        assert set(one.deliveries) == {"files"}
        assert one.namespace == "city"
        assert one.deliveries["files"].table == TABLE
        assert one.deliveries["files"].contract == wiring()[0].source.contract
        assert one.deliveries["files"].credentials == wiring()[0].source.credentials
    text = json.dumps({key: one.dump() for key, one in made.items()})
    assert "only-for-this-test" not in text
    for pod, key in ((run_pod(inputs()), "calibrate.json"), (serving_pod(inputs()), "serve-web.json")):
        (volume,) = [v for v in pod["volumes"] if v["name"] == "order"]
        assert volume["configMap"]["items"] == [{"key": key, "path": "fetch.json"}]


def test_no_run_gets_anything_later_than_its_window() -> None:
    """In the zone of the table: a day of Amsterdam begins an hour or two before that of UTC."""
    made = {key: one.deliveries["files"].dump() for key, one in order(inputs()).items()}
    assert (made["calibrate.json"]["start"], made["calibrate.json"]["end"]) == (
        "2012-01-01T23:00:00Z",  # a year of 365 days before 2013
        "2014-12-31T23:00:00Z",
    )
    assert made["validate.json"]["start"] == "2012-01-01T23:00:00Z"
    assert made["validate.json"]["end"] == "2016-12-31T23:00:00Z"
    assert made["serve-web.json"]["start"] == "2012-01-01T23:00:00Z"
    assert "end" not in made["serve-web.json"]


def test_completeness_is_about_the_window_of_the_run() -> None:
    """Without the year before, and in the zone of the table."""
    made = {key: one.deliveries["files"].dump() for key, one in order(inputs(minimumCompletenessPercent=90)).items()}
    assert made["calibrate.json"]["windows"] == [{"start": "2012-12-31T23:00:00Z", "end": "2014-12-31T23:00:00Z"}]
    assert made["validate.json"]["windows"] == [{"start": "2014-12-31T23:00:00Z", "end": "2016-12-31T23:00:00Z"}]
    assert "windows" not in made["serve-web.json"]
    for without in (inputs(), inputs(minimumCompletenessPercent=90, history=False)):
        assert not order(without)["calibrate.json"].deliveries["files"].windows


def test_what_has_no_history_comes_whole() -> None:
    whole = order(inputs(history=False))["calibrate.json"].deliveries["files"]
    assert (whole.start, whole.end) == (None, None)
    timeless = TABLE.model_copy(update={"time": None})
    whole = order(inputs(table=timeless))["calibrate.json"].deliveries["files"]
    assert (whole.start, whole.end) == (None, None)


def test_a_run_has_time_for_its_data_besides() -> None:
    def deadline(of: RevisionInputs) -> int:
        seconds: int = renderer(of).job("calibrate", of.version.calibration).manifest["spec"]["activeDeadlineSeconds"]
        return seconds

    assert deadline(inputs()) == deadline(inputs(table=None)) + fetching.SECONDS


def test_the_table_is_an_input_of_the_revision() -> None:
    other = TABLE.model_copy(update={"time_zone": "UTC"})
    assert len({Revision.of(inputs(table=table)).id for table in (None, TABLE, other)}) == 3


def test_the_runner_finds_all_that_it_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the container as it is made: the order, and the binding with its credentials, where the runner looks."""
    (ours,) = run_pod(inputs())["initContainers"]
    for entry in ours["env"]:
        monkeypatch.setenv(entry["name"], entry["value"])
    places = Places.of_environment()
    paths = mounts(ours)
    assert paths[str(places.order.parent)] == ("order", True)
    assert places.order.name == "fetch.json"
    assert paths[f"{places.bindings}/files"] == ("binding-files", True)
    assert paths[str(places.data)] == ("data", False)
    assert ours["command"] == ["python", "-m", "ddtas.runner"]
    (bound,) = [b for b in renderer(inputs()).bindings(wiring()) if b.key[1].endswith("-files")]
    for name, value in bound.manifest["data"].items():
        (tmp_path / name).write_bytes(b64decode(value))
    delivery = order(inputs())["calibrate.json"].deliveries["files"]
    target, source = bindings.target(tmp_path, delivery, "city"), wiring()[0].source
    assert (target.kind, target.endpoint, target.auth) == (source.kind, source.endpoint, source.credentials)
    assert target.secret == {"username": "voorbeeldstad", "password": "only-for-this-test"}
