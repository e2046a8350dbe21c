"""The sandbox: what a render may use up, what a child cannot reach, and that nothing is left behind."""

import asyncio
import errno
import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ddtas.confined import client, close
from ddtas.confined.job import MIB
from ddtas.errors import TemplateError
from ddtas.plan.children.template import MAX_OBJECTS, TemplateContext, render
from ddtas.reconcile import sandbox
from ddtas.reconcile.sandbox import JOB, render_in_sandbox

CONTEXT: TemplateContext = {
    "prefix": "flood-abc",
    "installation": {"name": "flood", "namespace": "delft"},
    "municipality": {"name": "Delft", "code": "GM0503"},
    "revision": "abc",
    "parameters": {"title": "Water: 😀\n", "depth": 0.5},
    "bindings": {},
}
ENDLESS = "a: {{ 9 ** (9 ** 9) }}"


@pytest.fixture(autouse=True)
async def _closed_afterwards() -> AsyncIterator[None]:
    yield
    await close()


AT_ONCE = 2
_PARTIES = itertools.count()


async def run(source: str, seconds: int = 5) -> list[dict[str, object]]:
    """Render, each time for another listing."""
    job = replace(JOB, processor_seconds=seconds, wall_seconds=seconds)
    return await render_in_sandbox([("web", source)], CONTEXT, (f"listing-{next(_PARTIES)}", "delft"), job=job)


async def refusal(source: str, seconds: int = 5) -> TemplateError:
    with pytest.raises(TemplateError) as caught:
        await run(source, seconds)
    return caught.value


def server() -> int:
    assert client._server
    return client._server.process.pid


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def environment(pid: int) -> bytes:
    return Path(f"/proc/{pid}/environ").read_bytes()


def runs(pid: int) -> bool:
    """Whether there is such a process, and not only its exit code."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - about other processes, which set no event
            await asyncio.sleep(0.01)


async def test_renders_as_the_renderer_does() -> None:
    source = "a: {{ prefix }}-x\nb: {{ parameters.title | tojson }}\nc: {{ parameters | tojson }}"
    assert await run(source) == render([("web", source)], CONTEXT)


async def test_everything_that_is_imported_on_demand_is_there_before_the_limits() -> None:
    source = """\
{% set items = [{"a": 2}, {"a": 1}] %}
{% macro m(x) %}{{ x }}{% endmacro %}
a: {{ [-1 | abs, none | default(1, true), [1] | first, "1.5" | float, "2" | int, parameters | items | list] | tojson }}
b: {{ [[1, 2] | join("-"), [1] | last, [1] | length, "A" | lower, items | map(attribute="a") | list] | tojson }}
c: {{ [[1, 2] | max, [1, 2] | min, [1, 2] | reject("odd") | list, items | rejectattr("a", "eq", 1) | list] | tojson }}
d: {{ ["aa" | replace("a", "b"), 1.26 | round(1), [1, 2] | select("odd") | list, 3 | string] | tojson }}
e: {{ [items | selectattr("a", "gt", 1) | list, items | sort(attribute="a"), [1, 2] | sum, " a " | trim] | tojson }}
f: {{ [[1, 1] | unique | list, "é" | upper, m(1), "%s" % "x", "{}".format(1)] | tojson }}
{% for x in range(2) %}
{{ loop.cycle("g", "h") }}: {{ x is divisibleby(2) }}
{% endfor %}
"""
    assert await run(source) == render([("web", source)], CONTEXT)


@pytest.mark.parametrize(
    ("source", "reason", "message"),
    [
        ("a: {{ nope }}", "TemplateInvalid", "template web, line 1: 'nope' is undefined; there is: prefix"),
        ("{{ ''.__class__ }}", "TemplateForbidden", "access to attribute '__class__'"),
        ("{% if %}", "TemplateInvalid", "template web, line 1: Expected an expression"),
        ("a: &x 1", "TemplateInvalid", "anchors and aliases"),
        ("a: {{ 1 / 0 }}", "TemplateInvalid", "division by zero"),
        ("a: {% for i in range(100000) %}xxxxxxxxxx{% endfor %}", "TemplateInvalid", "more than 64 KiB of text"),
        ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "TemplateInvalid", "nested too deeply"),
    ],
)
async def test_refusals_come_through(source: str, reason: str, message: str) -> None:
    error = await refusal(source)
    assert error.reason == reason
    assert message in error.message


@pytest.mark.parametrize(
    "source",
    [
        "a: {{ 'x' * 10**9 }}",
        "a: {{ 'x'.center(10**9) }}",
        "a: {{ '%0999999999d' % 1 }}",
        "a: {{ '{:999999999}'.format(1) }}",
        "a: {{ (1).to_bytes(10**9) }}",
        "a: {{ ([0] * 10**9) | length }}",
        "a: {% for i in range(30) %}{% set x = 'y' * 2**28 %}{{ x[:1] }}{% endfor %}",
    ],
)
async def test_a_memory_bomb_ends_the_child_only(source: str) -> None:
    error = await refusal(source)
    assert error.reason == "TemplateInvalid"
    assert error.message == ("the templates used more than 64 MiB of memory or 5 s of processor time: simplify them")
    assert await run("a: 1") == [{"a": 1}]


@pytest.mark.parametrize(
    "source",
    [
        ENDLESS,
        "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}",
    ],
)
async def test_endless_work_is_ended_and_the_operator_goes_on_meanwhile(source: str) -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0.01)
            turns += 1

    counting = asyncio.create_task(count())
    error = await refusal(source, seconds=1)
    counting.cancel()
    assert error.message.endswith("or 1 s of processor time: simplify them")
    assert turns > 5
    assert children(server()) == []


async def test_the_memory_bound_is_the_callers() -> None:
    source = "a: {{ ('x' * 150 * 1024 * 1024) | length }}"
    with pytest.raises(TemplateError, match="more than 100 MiB"):
        await render_in_sandbox([("web", source)], CONTEXT, ("bound",), job=replace(JOB, memory=100 * MIB))
    found = await render_in_sandbox([("web", source)], CONTEXT, ("other",), job=replace(JOB, memory=400 * MIB))
    assert found == [{"a": 150 * 1024 * 1024}]


async def test_many_at_once() -> None:
    found = await asyncio.gather(*(run(f"a: {number}") for number in range(20)))
    assert found == [[{"a": number}] for number in range(20)]
    assert children(server()) == []


async def test_no_more_than_a_few_children_at_once_and_cancellation_leaves_none() -> None:
    tasks = [asyncio.create_task(run(ENDLESS, seconds=60)) for _ in range(2000)]  # more than there are sockets
    await until(lambda: client._server is not None and len(children(server())) == AT_ONCE)
    await asyncio.sleep(0.2)  # time to start more, if it did
    assert len(children(server())) == AT_ONCE
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert all(task.cancelled() for task in tasks)
    await until(lambda: children(server()) == [])
    assert await run("a: 1") == [{"a": 1}]


async def test_close_leaves_no_process_and_a_later_render_starts_anew() -> None:
    task = asyncio.create_task(run(ENDLESS, seconds=60))
    await until(lambda: client._server is not None and bool(children(server())))
    pids = [server(), *children(server())]
    await close()
    assert [pid for pid in pids if runs(pid)] == []
    with pytest.raises(ConnectionError):  # nothing is wrong with its template
        await task
    await close()
    assert await run("a: 1") == [{"a": 1}]


async def test_a_killed_server_is_started_again() -> None:
    task = asyncio.create_task(run(ENDLESS, seconds=1))
    await until(lambda: client._server is not None and bool(children(server())))
    (orphan,) = children(server())
    os.kill(server(), signal.SIGKILL)
    with pytest.raises(ConnectionError):
        await task
    assert await run("a: 1") == [{"a": 1}]
    await until(lambda: not runs(orphan))  # ended by its own alarm


async def test_a_child_that_someone_killed_is_not_the_templates_fault() -> None:
    task = asyncio.create_task(run(ENDLESS, seconds=60))
    await until(lambda: client._server is not None and bool(children(server())))
    os.kill(children(server())[0], signal.SIGKILL)
    with pytest.raises(ConnectionError):
        await task
    assert await run("a: 1") == [{"a": 1}]


async def test_the_server_ends_with_the_operator() -> None:
    code = f"""
import asyncio
from ddtas.reconcile import sandbox
from ddtas.confined import client
async def main():
    task = asyncio.create_task(sandbox.render_in_sandbox([("a", {ENDLESS!r})], {CONTEXT!r}))
    await asyncio.sleep(0)
    while not (pids := open(f"/proc/{{(pid := client._server.process.pid)}}/task/{{pid}}/children").read().split()):
        await asyncio.sleep(0.01)
    print(pid, *pids, flush=True)
    await task
asyncio.run(main())
"""
    operator = subprocess.Popen(  # noqa: ASYNC220 - returns at once
        [sys.executable, "-c", code], stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": path()}
    )
    with operator:
        assert operator.stdout
        pids = [int(pid) for pid in operator.stdout.readline().split()]
        assert len(pids) == 2
        assert all(runs(pid) for pid in pids)
        operator.kill()
    await until(lambda: not any(runs(pid) for pid in pids))


async def test_the_server_has_no_environment_and_few_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "not for templates")
    await run("a: 1")
    assert environment(server()).decode().split("\0")[:-1] == [f"{k}={v}" for k, v in client.ENVIRONMENT.items()]
    task = asyncio.create_task(run(ENDLESS, seconds=60))
    await until(lambda: bool(children(server())))
    (child,) = children(server())
    await until(lambda: sorted(os.listdir(f"/proc/{child}/fd")) == ["0", "1", "2", "3", "4"])
    task.cancel()


def path() -> str:
    return os.pathsep.join(sys.path)


def confined(code: str, seconds: int = 5) -> subprocess.CompletedProcess[str]:
    """Run code under a child's limits, as a user without privileges."""
    setup = "import os, resource, socket; from ddtas.confined.job import Job, confine; os.getuid() or os.setuid(65534);"
    return subprocess.run(
        [sys.executable, "-c", f"{setup} confine(Job('', 128 << 20, {seconds}, {seconds}))\n{code}"],
        env=os.environ | {"PYTHONPATH": path()},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("attempt", "number"),
    [
        ("open('/etc/passwd')", errno.EMFILE),
        ("open('/tmp/x', 'w')", errno.EMFILE),
        ("socket.socket()", errno.EMFILE),
        ("os.pipe()", errno.EMFILE),
        ("os.listdir('/')", errno.EMFILE),
        ("os.fork()", errno.EAGAIN),
    ],
)
def test_a_child_can_open_nothing_and_start_nothing(attempt: str, number: int) -> None:
    code = f"try:\n    {attempt}\nexcept OSError as error:\n    print(error.errno)\nelse:\n    print('allowed')"
    assert confined(code).stdout == f"{number}\n"


def test_a_child_cannot_raise_its_limits() -> None:
    code = """
for name in ("AS", "CPU", "FSIZE", "CORE", "NOFILE", "NPROC"):
    limit = getattr(resource, "RLIMIT_" + name)
    soft, hard = resource.getrlimit(limit)
    try:
        resource.setrlimit(limit, (hard + 1, hard + 1))
    except ValueError:
        print(name)
"""
    assert confined(code).stdout == "AS\nCPU\nFSIZE\nCORE\nNOFILE\nNPROC\n"


def test_a_child_has_little_memory_and_little_time() -> None:
    assert confined("bytearray(1 << 30)").stderr.endswith("MemoryError\n")
    assert confined("while True: pass", seconds=1).returncode in (-signal.SIGALRM, -signal.SIGXCPU)
    assert confined("import signal; signal.pause()", seconds=1).returncode == -signal.SIGALRM


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"{",
        b"\xff",
        b"[]",
        b'{"objects": {}}',
        b'{"objects": [1]}',
        json.dumps({"objects": [{}] * (MAX_OBJECTS + 1)}).encode(),
        b'{"error": ["Reasonable", "x"]}',
        b'{"error": ["TemplateInvalid", 1]}',
        b'{"error": "TemplateInvalid"}',
        b'{"a":' * 100_000,
    ],
)
def test_what_a_child_answers_is_checked(answer: bytes) -> None:
    with pytest.raises(TemplateError, match="not a list of objects"):
        sandbox._objects(answer)


def test_a_childs_message_is_bounded() -> None:
    with pytest.raises(TemplateError) as caught:
        sandbox._objects(json.dumps({"error": ["TemplateInvalid", "x" * 10_000]}).encode())
    assert len(caught.value.message) == 400
