"""The pod of a run that is scored: who gets what, and what is kept from the app."""

import hashlib
import json
from typing import Any

import pytest
from tables_kit import IMAGE, TABLE, renderer, wiring
from tables_kit import inputs as of_files

from ddtas.api.listing import Version
from ddtas.data.delivery.order import Order
from ddtas.data.network import Surroundings
from ddtas.plan.children import holdout
from ddtas.plan.children.desired import Desired
from ddtas.plan.children.orders import network_of
from ddtas.plan.revision import RevisionInputs
from ddtas.plan.snapshot import Manifest
from ddtas.scoring.order import ScoreOrder
from ddtas.settings import Runner

TARGET = {"name": "discharge", "requirement": "files", "field": "discharge_m3s", "kind": "Continuous"}
COMMAND = ["python", "-m", "flood_twin"]


def inputs(*targets: Any, open_runs: bool = False, windows: Any = None) -> RevisionInputs:
    """Of the example, as an app with targets."""
    plain = of_files()
    version: Any = plain.version.dump()
    version["targets"] = list(targets or (TARGET,))
    for run in ("calibration", "validation"):
        version[run]["command"] = COMMAND
    changed = {"version": Version.model_validate(version), "open_runs": open_runs}
    return plain.model_copy(update=changed | ({"windows": windows} if windows is not None else {}))


def pod(of: RevisionInputs, phase: str = "validate") -> Manifest:
    run = of.version.validation if phase == "validate" else of.version.calibration
    made: Manifest = renderer(of).job(phase, run, order=order_of(of)).manifest["spec"]["template"]["spec"]
    return made


def order_of(of: RevisionInputs) -> list[Desired]:
    return renderer(of).order(wiring(), network_of(Runner(image=IMAGE), Surroundings()))


def orders(of: RevisionInputs) -> dict[str, Any]:
    (made,) = order_of(of)
    return {name: json.loads(text) for name, text in made.manifest["data"].items()}


def mounts(container: Manifest) -> dict[str, bool]:
    """Path, and whether it can be written."""
    return {m["mountPath"]: not m.get("readOnly", False) for m in container["volumeMounts"]}


def containers(of: RevisionInputs) -> tuple[Manifest, Manifest, Manifest]:
    spec = pod(of)
    (fetch, app), (score,) = spec["initContainers"], spec["containers"]
    return fetch, app, score


def test_one_after_the_other() -> None:
    fetch, app, score = containers(inputs())
    assert [c["name"] for c in (fetch, app, score)] == ["fetch", "validate", "score"]
    assert [fetch["image"], score["image"]] == [IMAGE, IMAGE]
    assert score["command"] + score["args"] == ["python", "-m", "ddtas.runner", "score"]


def test_the_app_has_data_and_a_place_for_its_output_and_nothing_of_the_truth() -> None:
    fetch, app, score = containers(inputs())
    assert mounts(app) == {"/tmp": True, "/etc/ddtas": False, "/data": False, "/output": True, "/seal": False}  # noqa: S108
    assert mounts(score) == {"/tmp": True, "/etc/ddtas": False, "/truth": False, "/output": False}  # noqa: S108
    assert {"/truth", "/output", "/seal", "/data", "/bindings/files"} <= set(mounts(fetch))
    shared = {m["name"] for m in app["volumeMounts"]} & {m["name"] for m in score["volumeMounts"]}
    assert shared == {"output"}, "not even a folder for temporary files"


def test_no_secret_reaches_the_app_not_even_of_what_it_reads_itself_when_it_serves() -> None:
    spec = pod(inputs())
    secrets = {v["name"] for v in spec["volumes"] if "secret" in v}
    assert secrets == {"binding-files"}
    assert not secrets & {
        m["name"] for c in (*spec["initContainers"][1:], *spec["containers"]) for m in c["volumeMounts"]
    }
    assert "token" not in json.dumps(spec["volumes"])
    assert spec["automountServiceAccountToken"] is False


def test_the_app_is_started_by_the_launcher_that_fetch_put_in_place() -> None:
    fetch, app, _ = containers(inputs())
    assert app["command"][0] == "/seal/seal"
    assert app["command"][app["command"].index("--") + 1 :] == COMMAND
    assert {"name": "DDTAS_SEAL", "value": "/seal/seal"} in fetch["env"]


def test_what_is_fetched_and_scored_is_what_the_job_was_made_for() -> None:
    """Whoever may write ConfigMaps in the namespace could have other orders read."""
    of = inputs()
    fetch, _, score = containers(of)
    texts = order_of(of)[0].manifest["data"]
    for container, key in ((fetch, "validate.json"), (score, "score-validate.json")):
        env = {e["name"]: e.get("value") for e in container["env"]}
        assert env["DDTAS_ORDER_DIGEST"] == hashlib.sha256(texts[key].encode()).hexdigest()


def test_an_open_run_keeps_its_command_and_its_own_sources() -> None:
    fetch, app, _ = containers(inputs(open_runs=True))
    assert app["command"] == COMMAND
    assert "/bindings/direct" in mounts(app)
    assert "/truth" not in mounts(app)
    assert "DDTAS_SEAL" not in {e["name"] for e in fetch["env"]}


def test_whether_runs_are_open_is_part_of_the_revision() -> None:
    assert inputs().id != inputs(open_runs=True).id


def test_what_serves_is_not_scored() -> None:
    of = inputs()
    spec = renderer(of).deployment(of.version.components[0], "d").manifest["spec"]["template"]["spec"]
    assert [c["name"] for c in spec["initContainers"]] == ["follow"]
    assert "/truth" not in json.dumps(spec)


# ---- what is withheld ----


def withheld(of: RevisionInputs, phase: str) -> Any:
    return Order.model_validate(orders(of)[f"{phase}.json"]).deliveries["files"].withhold


def test_validation_withholds_the_target_in_its_window_in_the_zone_of_the_table() -> None:
    found = withheld(inputs(), "validate")
    assert found.targets == {"discharge": "discharge_m3s"}
    # 2015-01-01 to 2016-12-31, days of Amsterdam
    assert (found.start.isoformat(), found.end.isoformat()) == (
        "2014-12-31T23:00:00+00:00",
        "2016-12-31T23:00:00+00:00",
    )


def test_calibration_ends_before_validation_and_so_withholds_nothing() -> None:
    of = inputs()
    assert withheld(of, "calibrate") is None
    order = Order.model_validate(orders(of)["calibrate.json"]).deliveries["files"]
    assert order.end is not None
    assert order.end.isoformat() == "2014-12-31T23:00:00+00:00"


def test_calibration_after_validation_gets_nothing_of_its_window() -> None:
    swapped = inputs().windows.model_copy(
        update={"calibration": inputs().windows.validation, "validation": inputs().windows.calibration}
    )
    found = withheld(inputs(windows=swapped), "calibrate")
    assert (found.start.isoformat(), found.end.isoformat()) == (
        "2012-12-31T23:00:00+00:00",
        "2014-12-31T23:00:00+00:00",
    )


@pytest.mark.parametrize("phase", ["calibrate", "validate"])
def test_a_key_is_withheld_from_each_run_alike(phase: str) -> None:
    of = inputs(TARGET | {"holdout": {"key": "date", "sharePercent": 20}})
    found = withheld(of, phase)
    assert (found.key, found.share_percent, found.start, found.end) == ("date", 20, None, None)
    assert found.seed == str(holdout.seed(of))


OTHER = TABLE.model_copy(
    update={
        "columns": (
            TABLE.columns[0].model_copy(update={"name": "day"}),
            TABLE.columns[1].model_copy(update={"name": "litres"}),
        )
    }
)


def elsewhere(of: RevisionInputs, source: str = "river-gauge", table: Any = OTHER, **asks: Any) -> RevisionInputs:
    """The same app, which asks for a second table, that has the field of the target under another name."""
    version = of.version.dump()
    files = next(r for r in version["dataRequirements"] if r["name"] == "files")
    version["dataRequirements"].append(files | {"name": "other"} | asks)
    bound = of.bindings[1].model_copy(update={"requirement": "other", "data_source": source, "table": table})
    return of.model_copy(update={"version": Version.model_validate(version), "bindings": (*of.bindings, bound)})


def withheld_elsewhere(of: RevisionInputs, phase: str = "validate") -> Any:
    other = next(r for r in of.version.data_requirements if r.name == "other")
    table = next(b.table for b in of.bindings if b.requirement == "other")
    assert table is not None
    return holdout.withheld(of, other, table, phase)


def test_another_table_of_the_same_source_does_not_have_it_either() -> None:
    found = withheld_elsewhere(elsewhere(inputs()))
    kept = withheld(inputs(), "validate")
    assert (found.targets, found.fields, found.start, found.end) == ({}, ("litres",), kept.start, kept.end)
    assert withheld_elsewhere(elsewhere(inputs(), source="rain-gauge")) is None
    assert withheld_elsewhere(elsewhere(inputs()), "calibrate") is None


def test_what_comes_whole_has_nothing_later_either() -> None:
    of = elsewhere(inputs(), history=False)
    for phase in ("calibrate", "validate"):
        found = withheld_elsewhere(of, phase)
        assert (found.start.isoformat(), found.end) == ("2014-12-31T23:00:00+00:00", None)


def test_a_key_goes_by_what_it_is_called_in_the_other_table() -> None:
    drawn = inputs(TARGET | {"holdout": {"key": "date", "sharePercent": 20}})
    found = withheld_elsewhere(elsewhere(drawn))
    assert (found.key, found.share_percent, found.seed) == ("day", 20, str(holdout.seed(drawn)))
    without = OTHER.model_copy(update={"columns": OTHER.columns[1:], "time": None})
    found = withheld_elsewhere(elsewhere(drawn, table=without))
    assert (found.fields, found.key) == (("litres",), None), "which the runner refuses: nothing says which rows"


def test_serving_gets_all() -> None:
    assert withheld(inputs(), "serve-web") is None


# ---- what is scored ----


def test_what_is_scored_is_what_was_withheld() -> None:
    of = inputs()
    order = ScoreOrder.model_validate(orders(of)["score-validate.json"])
    (target,) = order.targets
    kept = withheld(of, "validate")
    assert (target.start, target.end) == (kept.start, kept.end)
    assert (target.field, target.time, target.keys, target.time_zone) == ("discharge_m3s", "date", (), TABLE.time_zone)
    assert {(w.target, w.metric) for w in order.wanted} == {("discharge", m) for m in ("NSE", "RSR", "absPBIAS")}
    assert (order.predictions, order.parameters) == (True, False)


def test_what_is_scored_is_drawn_as_it_was_withheld() -> None:
    of = inputs(TARGET | {"holdout": {"key": "date", "sharePercent": 20}})
    (target,) = ScoreOrder.model_validate(orders(of)["score-validate.json"]).targets
    kept = withheld(of, "validate")
    assert (target.key, target.share_percent, target.seed) == (kept.key, kept.share_percent, kept.seed)
    assert (target.start, target.end) == (None, None)


def test_a_calibration_finds_parameters_alone() -> None:
    order = ScoreOrder.model_validate(orders(inputs())["score-calibrate.json"])
    assert (order.targets, order.predictions, order.parameters) == ((), False, True)


def test_the_seed_is_the_platforms_and_no_attempt_changes_it() -> None:
    of, other = inputs(), inputs().model_copy(update={"listing": "other"})
    again = of.model_copy(update={"retry": "2", "parameters": {"seed": 51}})
    assert holdout.seed(of) == holdout.seed(again) != holdout.seed(other)
    run = json.loads(renderer(of).config().manifest["data"]["validate.json"])
    assert (run["seed"], run["targets"]) == (holdout.seed(of), [TARGET])


@pytest.mark.parametrize(
    ("metric", "names", "found"),
    [
        ("NSE", ("a",), ("a", "NSE")),
        ("a.NSE", ("a", "b"), ("a", "NSE")),
        ("b.NSE", ("a", "b"), ("b", "NSE")),
        ("c.NSE", ("a", "b"), ("a", "c.NSE")),  # no such target, so no such metric either
    ],
)
def test_the_name_of_a_metric(metric: str, names: tuple[str, ...], found: tuple[str, str]) -> None:
    targets = inputs(*(TARGET | {"name": name} for name in names)).version.targets
    assert holdout.split(metric, targets) == found
