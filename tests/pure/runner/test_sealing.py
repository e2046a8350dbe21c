"""`seal` is put where the app finds it, and a node that cannot seal is found out before anything is fetched.

The programs here are scripts; the real one is tried in tests/confined.
"""

import json
import stat
from pathlib import Path

import pytest

from ddtas.data.delivery.report import FetchReport
from ddtas.runner import sealing
from ddtas.runner.faults import DeliveryError
from ddtas.runner.fetch import fetch_all
from ddtas.runner.settings import Places

WORKS = '#!/bin/sh\n[ "$*" = --check ] && [ -z "$HOME" ]\n'
CANNOT = "#!/bin/sh\necho 'CannotSeal: no filter can be added' >&2\nexit 65\n"


def program(folder: Path, text: str) -> Path:
    """A program as the image has it: readable, for it is the copy that is executed."""
    made = folder / "in-the-image"
    made.write_text(text)
    return made


@pytest.fixture
def target(tmp_path: Path) -> Path:
    folder = tmp_path / "volume"
    folder.mkdir()
    return folder / "seal"


def fault(binary: Path, target: Path) -> str:
    with pytest.raises(DeliveryError) as caught:
        sealing.install(binary, target)
    assert caught.value.reason == "CannotSeal"
    return caught.value.message


def test_everybody_may_execute_it_and_nobody_may_write_it(tmp_path: Path, target: Path) -> None:
    sealing.install(program(tmp_path, WORKS), target)
    assert stat.S_IMODE(target.stat().st_mode) == 0o555
    assert [file.name for file in target.parent.iterdir()] == ["seal"]


def test_what_an_attempt_before_left_there_is_replaced(tmp_path: Path, target: Path) -> None:
    target.write_text("half of ")
    target.with_name(".seal.new").write_text("less")
    target.with_name(".seal.new").chmod(0o444)
    sealing.install(program(tmp_path, WORKS), target)
    assert target.read_text() == WORKS


def test_a_node_that_cannot_seal_says_why(tmp_path: Path, target: Path) -> None:
    message = fault(program(tmp_path, CANNOT), target)
    assert "exit code 65: CannotSeal: no filter can be added" in message


def test_an_image_without_it_says_so(tmp_path: Path, target: Path) -> None:
    assert "No such file" in fault(tmp_path / "nothing", target)


def test_a_program_of_another_architecture_is_found_out(tmp_path: Path, target: Path) -> None:
    message = fault(program(tmp_path, "\x7fELF of another machine"), target)
    assert "Exec format error" in message
    assert "noexec" not in message


def test_a_volume_that_nothing_may_be_executed_from_is_found_out(
    tmp_path: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "chmod", lambda *_: None)  # the kernel refuses both with the same error
    assert "noexec" in fault(program(tmp_path, WORKS), target)


def test_a_trial_that_does_not_end_is_ended(tmp_path: Path, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "_SECONDS", 0.1)
    assert "did not end" in fault(program(tmp_path, "#!/bin/sh\nexec sleep 60\n"), target)


async def test_nothing_is_fetched_for_an_app_that_cannot_be_sealed(tmp_path: Path, target: Path) -> None:
    places = Places(tmp_path / "fetch.json", tmp_path, tmp_path, tmp_path / "report", target, program(tmp_path, CANNOT))
    report = await fetch_all(places)  # there is no order: to read it would be another fault
    assert report.fault is not None
    assert (report.fault.requirement, report.fault.reason) == ("all", "CannotSeal")
    assert FetchReport.model_validate(json.loads(report.model_dump_json(by_alias=True, exclude_defaults=True)))


async def test_an_unsealed_run_does_without_it(tmp_path: Path) -> None:
    report = await fetch_all(Places(tmp_path / "fetch.json", tmp_path, tmp_path, tmp_path / "report"))
    assert report.fault is not None
    assert report.fault.reason == "InternalError"


def test_the_pod_says_where_it_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Places.of_environment().seal is None
    monkeypatch.setenv("DDTAS_SEAL", "/seal/seal")
    assert Places.of_environment().seal == Path("/seal/seal")
