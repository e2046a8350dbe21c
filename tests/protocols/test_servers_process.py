"""How the servers of the tests are started and ended, with programs that behave badly."""

import contextlib
import socket
import sys
from pathlib import Path

import pytest
from servers.process import HOST, ServerError, descendants, free_port, http_answers, living, running, tcp_answers

# Listens on a port; `rest` is what it does beside that.
LISTENER = """
import os, signal, socket, subprocess, sys, time
server = socket.create_server(("127.0.0.1", {port}))
{rest}
time.sleep(600)
"""


def _listener(port: int, rest: str = "") -> list[str]:
    return [sys.executable, "-c", LISTENER.format(port=port, rest=rest)]


def test_a_server_is_up_inside_the_block_and_gone_after_it(tmp_path: Path) -> None:
    port, before = free_port(), descendants()
    with running(_listener(port), log=tmp_path / "log", ready=tcp_answers(port)) as process:
        assert process.poll() is None
        started = descendants() - before
        assert living(started) == {process.pid}
    assert not living(started)
    with pytest.raises(OSError, match="refused"):
        socket.create_connection((HOST, port), timeout=5)


def test_it_is_ended_though_it_ignores_the_signal_and_its_child_has_left_its_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("servers.process.STOP_SECONDS", 1.0)
    port, before = free_port(), descendants()
    rest = "signal.signal(signal.SIGTERM, signal.SIG_IGN); subprocess.Popen(['setsid', 'sleep', '600'])"
    with running(_listener(port, rest), log=tmp_path / "log", ready=tcp_answers(port)):
        started = descendants() - before
        assert len(living(started)) == 2
    assert not living(started)


def test_it_is_ended_when_the_test_fails(tmp_path: Path) -> None:
    port, before, log = free_port(), descendants(), tmp_path / "log"
    with contextlib.suppress(ZeroDivisionError), running(_listener(port), log=log, ready=tcp_answers(port)):
        started = descendants() - before
        assert living(started)
        _ = 1 / 0
    assert not living(started)


def test_one_that_ends_early_says_what_its_log_says(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "print('no such setting: colour'); raise SystemExit(3)"]
    with (
        pytest.raises(ServerError, match=r"ended with code 3 .*\n  \| no such setting: colour"),
        running(command, log=tmp_path / "log", ready=tcp_answers(free_port())),
    ):
        pytest.fail("it cannot be ready")


def test_one_that_never_answers_is_given_up(tmp_path: Path) -> None:
    before = descendants()
    seen: set[tuple[int, str]] = set()

    def never() -> bool:
        seen.update(descendants() - before)
        return False

    with (
        pytest.raises(ServerError, match="does not answer after"),
        running(_listener(free_port()), log=tmp_path / "log", ready=never, start_seconds=0.2),
    ):
        pytest.fail("it cannot be ready")
    assert seen
    assert not living(seen)


def test_an_account_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    with (
        pytest.raises(ServerError, match="no account 'nobody-of-that-name'"),
        running(["true"], log=tmp_path / "log", ready=lambda: True, user="nobody-of-that-name"),
    ):
        pytest.fail("it cannot run")


def test_a_port_that_does_not_speak_http_gives_no_answer() -> None:
    assert not http_answers(f"http://{HOST}:{free_port()}/")()
    with socket.create_server((HOST, 0)) as mute:
        mute.settimeout(0)  # it never accepts, but the kernel does
        assert tcp_answers(mute.getsockname()[1])()
