"""The commands of the runner, with sources on this machine: what they leave for the app and for the operator."""

import asyncio
import csv
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
from probes_kit import json_response, response, serving

from ddtas.data.contract import Credentials, DataContract, FieldType
from ddtas.data.delivery.order import Delivery, Network, Order, Withheld
from ddtas.data.delivery.report import FetchReport
from ddtas.data.delivery.table import Column, Table
from ddtas.data.json_service import JsonService
from ddtas.runner import fetch, follow, publishing
from ddtas.runner.fetch import fetch_all, write_report
from ddtas.runner.settings import Places

CSV = b"tijd;debiet\n2020-01-01T00:00:00Z;1\n2020-01-02T00:00:00Z;2\n"
CONTRACT = DataContract.model_validate({"version": "1.0.0", "dialect": {"delimiter": ";"}})
TABLE = Table(
    columns=(
        Column(name="time", type=FieldType.TIMESTAMP, source="tijd"),
        Column(name="q", type=FieldType.NUMBER, source="debiet"),
    ),
    time="time",
    dialect=CONTRACT.dialect,
)
SECRET = "correct-horse-battery"


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "_PAUSES", (0.0,))


@pytest.fixture
def places(tmp_path: Path) -> Places:
    for folder in ("bindings", "data"):
        (tmp_path / folder).mkdir()
    return Places(tmp_path / "fetch.json", tmp_path / "bindings", tmp_path / "data", tmp_path / "report")


def order(places: Places, **endpoints: str) -> None:
    """Lay what the operator lays: an order, and a binding for each requirement."""
    auth = Credentials(secret_name="s", scheme="Basic")
    delivery = Delivery(table=TABLE, contract=CONTRACT, credentials=auth, source="gauge")
    made = Order(deliveries=dict.fromkeys(endpoints, delivery), network=Network(allowed=("127.0.0.0/8",)))
    places.order.write_text(json.dumps(made.dump()))
    for name, endpoint in endpoints.items():
        folder = places.bindings / name
        folder.mkdir(exist_ok=True)
        entries = {"type": "http-csv", "uri": endpoint, "username": "us", "password": SECRET}
        for entry, value in entries.items():
            (folder / entry).write_text(value)


async def test_a_json_service_is_asked_as_its_source_says(places: Places) -> None:
    """The order has all of it, whatever is in the body."""
    service = JsonService.model_validate(
        {
            "body": {"of": {"from": "{start}", "to": "{end}"}, "empty": {}, "none": None, "part": 0.5},
            "rows": ["/rows"],
            "fields": [{"name": "tijd", "pointer": "/0"}, {"name": "debiet", "pointer": "/1"}],
        }
    )
    fields = [{"name": "tijd", "type": "timestamp"}, {"name": "debiet", "type": "number"}]
    contract = DataContract.model_validate({"version": "1.0.0", "fields": fields})
    start, end = datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 1, 2, tzinfo=UTC)
    table = TABLE.model_copy(update={"dialect": None})
    delivery = Delivery(table=table, contract=contract, json_service=service, start=start, end=end)
    rows = [["2020-01-01T00:00:00Z", 1], ["2020-01-01T12:00:00Z", 2.5], ["2020-01-02T00:00:00Z", 3]]
    async with serving(json_response({"rows": rows})) as server:
        order(places, flow=server.url())
        made = Order(deliveries={"flow": delivery}, network=Network(allowed=("127.0.0.0/8",)))
        places.order.write_text(json.dumps(made.dump()))
        (places.bindings / "flow" / "type").write_text("http-json")
        report = await fetch_all(places)
    assert report.fault is None
    assert [row["q"] for row in shown(places, "flow")] == ["1", "2.5"]
    assert json.loads(server.bodies[0]) == {
        "of": {"from": "2020-01-01T00:00:00Z", "to": "2020-01-02T00:00:00Z"},
        "empty": {},
        "none": None,
        "part": 0.5,
    }


def shown(places: Places, name: str) -> list[dict[str, str]]:
    return list(csv.DictReader((places.data / name / "data.csv").open()))


def about(places: Places, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((places.data / name / "about.json").read_text())
    return found


async def test_a_run_gets_its_tables_and_the_operator_hears_of_them(places: Places) -> None:
    async with serving(response(CSV, "Content-Type: text/csv")) as server:
        order(places, flow=server.url(), rain=server.url())
        report = await fetch_all(places)
    write_report(places.report, report)
    again = FetchReport.model_validate_json(places.report.read_bytes())
    assert [(t.requirement, t.rows, t.bytes) for t in again.tables] == [("flow", 2, len(CSV)), ("rain", 2, len(CSV))]
    assert again.fault is None
    assert len(places.report.read_bytes()) < 4096
    assert shown(places, "rain")[1] == {"time": "2020-01-02T00:00:00+00:00", "q": "2"}
    assert about(places, "flow")["source"] == "gauge"


async def test_another_user_can_read_the_files(places: Places) -> None:
    async with serving(response(CSV, "Content-Type: text/csv")) as server:
        order(places, flow=server.url())
        await fetch_all(places)
    folder = places.data / "flow"
    assert all(os.stat(folder / name).st_mode & 0o044 == 0o044 for name in os.listdir(folder))
    assert os.stat(folder).st_mode & 0o055 == 0o055


async def test_a_source_that_repeats_its_password_is_quoted_without_it(places: Places) -> None:
    async with serving(response(f"{SECRET};x\n1;2\n".encode(), "Content-Type: text/csv")) as server:
        order(places, flow=server.url())
        report = await fetch_all(places)
    assert report.fault is not None
    assert (report.fault.requirement, report.fault.reason) == ("flow", "EntityNotFound")
    assert SECRET not in report.model_dump_json()
    assert "redacted" in report.fault.message


@pytest.mark.parametrize("network", [Network(), Network(allowed=("10.0.0.0/8",))])
async def test_an_address_that_is_not_allowed_is_not_connected_to(network: Network, places: Places) -> None:
    async with serving(response(CSV, "Content-Type: text/csv")) as server:
        order(places, flow=server.url())
        made = Order.model_validate_json(places.order.read_bytes()).model_copy(update={"network": network})
        places.order.write_text(json.dumps(made.dump()))
        report = await fetch_all(places)
    assert report.fault is not None
    assert report.fault.reason == "AddressForbidden"


def withheld(places: Places) -> Places:
    """The same order, with what is judged kept from the app."""
    made = Order.model_validate_json(places.order.read_bytes())
    part = Withheld(targets={"level": "q"}, start=datetime(2020, 1, 2, tzinfo=UTC))
    deliveries = {name: d.model_copy(update={"withhold": part}) for name, d in made.deliveries.items()}
    places.order.write_text(json.dumps(made.model_copy(update={"deliveries": deliveries}).dump()))
    return replace(places, truth=places.data.parent / "truth", output=places.data.parent / "output")


async def test_the_truth_is_where_the_app_has_no_mount(places: Places) -> None:
    async with serving(response(CSV, "Content-Type: text/csv")) as server:
        order(places, flow=server.url())
        places = withheld(places)
        report = await fetch_all(places)
    assert places.truth is not None
    assert [row["q"] for row in shown(places, "flow")] == ["1"]
    assert (places.data / "flow" / "predict" / "level.csv").read_text() == '"time"\n"2020-01-02T00:00:00+00:00"\n'
    parquet = pyarrow.parquet.read_table(places.truth / "flow" / "data.parquet")
    assert parquet.column("q").to_pylist() == [1.0, 2.0]
    assert [(t.rows, t.end) for t in report.tables] == [(1, "2020-01-01T00:00:00+00:00")]


async def test_the_command_leaves_what_two_other_users_can_read(places: Places) -> None:
    async with serving(response(CSV, "Content-Type: text/csv")) as server:
        order(places, flow=server.url())
        places = withheld(places)
        env = os.environ | {
            "DDTAS_CONFIG": str(places.order.parent),
            "SERVICE_BINDING_ROOT": str(places.bindings),
            "DDTAS_DATA": str(places.data),
            "DDTAS_TRUTH": str(places.truth),
            "DDTAS_OUTPUT": str(places.output),
            "DDTAS_RESULT": str(places.report),
            "PYTHONPATH": str(Path(fetch.__file__).parents[2]),
        }
        command = (sys.executable, "-m", "ddtas.runner", "fetch")
        assert await (await asyncio.create_subprocess_exec(*command, env=env, umask=0o077)).wait() == 0
    assert places.truth is not None
    left = [*places.data.rglob("*"), *(places.truth / "flow").rglob("*")]
    assert {path.name for path in left} >= {"data.parquet", "data.csv", "about.json", "predict", "level.csv"}
    for path in left:
        assert path.stat().st_mode & 0o777 == (0o755 if path.is_dir() else 0o644), path


async def test_a_run_that_is_not_scored_withholds_nothing_and_so_gets_nothing(places: Places) -> None:
    async with serving(response(CSV, "Content-Type: text/csv")) as server:
        order(places, flow=server.url())
        report = await fetch_all(replace(withheld(places), truth=None))
    assert report.fault is not None
    assert report.fault.reason == "CannotWithhold"
    assert not (places.data / "flow").exists()


async def test_what_an_earlier_attempt_left_is_gone_before_anything_is_fetched(places: Places) -> None:
    outside = places.data.parent / "outside"
    outside.mkdir()
    (outside / "kept").touch()
    order(places, flow="http://127.0.0.1:1/")
    places = withheld(places)
    for folder in (places.data, places.truth, places.output):
        assert folder is not None
        (folder / "flow" / "deep").mkdir(parents=True)
        (folder / "flow" / "deep" / "level.csv").write_text("from before")
        (folder / "link").symlink_to(outside)
        (folder / "dangling").symlink_to("/nowhere")
        os.mkfifo(folder / "fifo")
    report = await fetch_all(places)
    assert report.fault is not None
    assert report.fault.reason == "Unreachable"
    assert [path.name for path in outside.iterdir()] == ["kept"], "a link is removed, and not what it leads to"
    left = [path for folder in (places.data, places.truth, places.output) if folder for path in folder.rglob("*")]
    assert {path.name for path in left} <= {publishing.tables(places.data).name}


async def test_what_cannot_be_removed_ends_the_run(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(_: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(shutil, "rmtree", refuses)
    order(places, flow="http://127.0.0.1:1/")
    places = withheld(places)
    assert places.output is not None
    (places.output / "locked").mkdir(parents=True)
    report = await fetch_all(places)
    assert report.fault is not None
    assert report.fault.reason == "Leftovers"
    assert "output has files of an earlier attempt that cannot be removed (Permission denied)" in report.fault.message


async def test_an_order_of_another_version_says_so(places: Places) -> None:
    places.order.write_text('{"deliveries": 1}')
    report = await fetch_all(places)
    assert report.fault is not None
    assert "do not fit each other" in report.fault.message


async def seen(what: Callable[[], bool], seconds: float) -> None:
    """Wait until something is true, or for as long at most."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not what() and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110 - files tell nobody
        await asyncio.sleep(0.01)


async def served(places: Places, seconds: float = 5) -> None:
    """Follow until the app may start."""
    task = asyncio.create_task(follow.follow(places))
    await seen(lambda: started(places), seconds)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def started(places: Places) -> bool:
    return (places.data / publishing.STARTED).exists()


async def test_an_app_starts_once_its_data_is_there(places: Places) -> None:
    async with serving(response(CSV, "Content-Type: text/csv")) as server:
        order(places, flow=server.url())
        await served(places)
    assert started(places)
    assert "checkedAt" in about(places, "flow")


async def test_a_source_that_is_away_holds_the_app_up_for_a_while_and_no_longer(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "_HELD_UP_SECONDS", 0.5)
    order(places, flow="http://127.0.0.1:1/")
    await served(places)
    assert started(places)
    assert about(places, "flow") | {"available": False, "reason": "Unreachable"} == about(places, "flow")
    assert not (places.data / "flow" / "data.csv").exists()


async def test_the_last_good_table_stays_and_says_what_is_wrong(places: Places) -> None:
    async with serving(response(CSV, "Content-Type: text/csv")) as server:
        order(places, flow=server.url())
        await served(places)
    (places.data / publishing.STARTED).unlink()
    (places.bindings / "flow" / "uri").write_text("http://127.0.0.1:1/")
    task = asyncio.create_task(follow.follow(places))
    await seen(lambda: "problem" in about(places, "flow"), 5)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert len(shown(places, "flow")) == 2
    assert about(places, "flow")["problem"]["reason"] == "Unreachable"


async def test_an_address_that_moves_is_followed(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within a revision the address and the network of a source may change, and the process goes on."""
    monkeypatch.setattr(follow, "_pause", lambda delivery: 0.05)
    seen_networks: list[list[str]] = []
    once = fetch.fetch_one

    async def noted(places: Places, order: Any, name: str, delivery: Any) -> Any:
        seen_networks.append(list(order.network.allowed))
        return await once(places, order, name, delivery)

    monkeypatch.setattr(follow, "fetch_one", noted)
    async with serving(response(CSV, "Content-Type: text/csv")) as server:
        order(places, flow=server.url())
        before = places.order.read_text()
        task = asyncio.create_task(follow.follow(places))
        await seen(lambda: started(places), 5)
        changed = json.loads(before)
        changed["network"]["allowed"] = [*changed["network"]["allowed"], "10.9.0.0/16"]
        places.order.write_text(json.dumps(changed))
        await seen(lambda: any("10.9.0.0/16" in allowed for allowed in seen_networks), 5)
        for broken in ("{", "", json.dumps(changed | {"deliveries": {}})):
            places.order.write_text(broken)
            count = len(seen_networks)
            await seen(lambda: len(seen_networks) > count + 1, 5)  # noqa: B023 - awaited here
            assert len(seen_networks) > count + 1
            assert not task.done()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert any("10.9.0.0/16" in allowed for allowed in seen_networks)
    assert "problem" not in about(places, "flow")


async def test_what_a_killed_process_was_at_is_removed_and_what_the_app_sees_is_not(places: Places) -> None:
    async with serving(response(CSV, "Content-Type: text/csv")) as server:
        order(places, flow=server.url())
        await served(places)
        left = publishing.tables(places.data) / "flow.work-abc"
        (left / "spool").mkdir(parents=True)
        (places.data / publishing.STARTED).unlink()
        await served(places)
    assert not left.exists()
    assert len(shown(places, "flow")) == 2


async def test_a_table_is_replaced_as_a_whole_and_the_one_before_stays_for_its_readers(places: Places) -> None:
    for day in range(1, 4):
        body = f"tijd;debiet\n2020-01-0{day}T00:00:00Z;{day}\n".encode()
        async with serving(response(body, "Content-Type: text/csv")) as server:
            order(places, flow=server.url())
            made = fetch.read_order(places)
            await fetch.fetch_one(places, made, "flow", made.deliveries["flow"])
    assert [row["q"] for row in shown(places, "flow")] == ["3"]
    assert len(tables_of(places)) == 2


def tables_of(places: Places) -> list[Path]:
    return list(publishing.tables(places.data).glob("flow.table-*"))


async def test_an_order_that_was_changed_since_the_run_was_made_is_not_followed(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody takes out what is to be withheld, in the moment before the pod reads it."""
    order(places)
    monkeypatch.setenv("DDTAS_ORDER_DIGEST", hashlib.sha256(places.order.read_bytes()).hexdigest())
    assert (await fetch_all(places)).fault is None
    places.order.write_text(places.order.read_text() + " ")
    fault = (await fetch_all(places)).fault
    assert fault is not None
    assert (fault.reason, fault.message.partition(":")[0]) == (
        "OrderAltered",
        "fetch.json is not the order that this run was made for",
    )
