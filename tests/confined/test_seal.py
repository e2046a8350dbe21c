"""`seal` for real: what a program that it started can do, beside what the same program can do without it."""

import os
import platform
import resource
import shutil
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ddtas.runner import sealing
from ddtas.runner.faults import DeliveryError
from ddtas_dev import launcher

pytestmark = pytest.mark.skipif(
    platform.system() != "Linux" or platform.machine() not in launcher.ARCHITECTURES, reason="seal has no filter here"
)
ON_X86_64 = pytest.mark.skipif(platform.machine() != "x86_64", reason="tries machine code of x86_64")
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="mounts a volume")
PYTHON = (sys.executable, "-I", "-c")
Done = subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def seal() -> Path:
    return launcher.seal(platform.machine())


def run(*command: str | Path, **options: Any) -> Done:
    return subprocess.run(command, **{"capture_output": True, "text": True, "timeout": 60, "check": False} | options)


def sealed(seal: Path, script: str, *options: str) -> str:
    """What a Python script prints that was started by seal."""
    done = run(seal, *options, "--", *PYTHON, script)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def free(script: str) -> str:
    """What it prints otherwise."""
    done = run(*PYTHON, script)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


# ---- what it refuses ----

FAMILIES = """
import errno, socket
opened, refused = [], []
for family in range(64):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW, socket.SOCK_SEQPACKET):
        try:
            socket.socket(family, kind).close()
            opened.append(family)
        except OSError as error:
            if error.errno == errno.EPERM:
                refused.append(family)
print(sorted(set(opened)), len(set(refused)))
"""


def test_no_socket_but_a_local_one_can_be_made(seal: Path) -> None:
    assert {socket.AF_UNIX, socket.AF_INET, socket.AF_NETLINK} <= set(eval(free(FAMILIES).rpartition(" ")[0]))  # noqa: S307
    assert sealed(seal, FAMILIES) == f"[{socket.AF_UNIX}] 63"


def test_what_it_starts_is_sealed_as_well(seal: Path) -> None:
    script = f"""
import subprocess, threading
print(subprocess.run({[*PYTHON, FAMILIES]!r}, capture_output=True, text=True).stdout.strip())
threading.Thread(target=lambda: exec({FAMILIES!r}, {{}})).start()
"""
    assert sealed(seal, script).splitlines() == [f"[{socket.AF_UNIX}] 63"] * 2


def test_a_filter_of_its_own_opens_nothing(seal: Path) -> None:
    allows_all = """
import ctypes
class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]
allow = bytes.fromhex("060000000000ff7f")
assert ctypes.CDLL(None).prctl(22, 2, ctypes.byref(Program(1, allow))) == 0
"""
    assert sealed(seal, allows_all + FAMILIES) == f"[{socket.AF_UNIX}] 63"


CALLS = """
import ctypes, errno, os
libc = ctypes.CDLL(None, use_errno=True)
def call(*arguments):
    ctypes.set_errno(0)
    answer = libc.syscall(*arguments)
    return "ok" if answer >= 0 else errno.errorcode[ctypes.get_errno()]
"""


def test_there_is_no_io_uring(seal: Path) -> None:
    script = CALLS + "ring = ctypes.create_string_buffer(120); print(*(call(n, 1, ring) for n in (425, 426, 427)))"
    assert sealed(seal, script) == "EPERM EPERM EPERM"


@ON_X86_64
def test_memory_and_files_of_another_process_are_out_of_reach(seal: Path) -> None:
    """Of its own child, even, whose rights are the same."""
    script = (
        CALLS
        + """
import subprocess
class Piece(ctypes.Structure):
    _fields_ = [("start", ctypes.c_void_p), ("length", ctypes.c_size_t)]
child = subprocess.Popen(["sleep", "60"])
space = ctypes.create_string_buffer(8)
start = int(open(f"/proc/{child.pid}/maps").readline().split("-")[0], 16)
there, here = Piece(start, 8), Piece(ctypes.addressof(space), 8)
print(call(310, child.pid, ctypes.byref(here), 1, ctypes.byref(there), 1, 0))
print(call(438, os.pidfd_open(child.pid), 0, 0))
print(call(101, 0x4206, child.pid, 0, 0))  # PTRACE_SEIZE
child.kill()
"""
    )
    assert free(script).split() == ["ok", "ok", "ok"]
    assert sealed(seal, script).split() == ["EPERM", "EPERM", "EPERM"]


@ON_X86_64
def test_nothing_is_kept_in_key_rings(seal: Path) -> None:
    script = CALLS + 'print(call(248, b"user", b"observations", b"1", 1, -4), call(250, 0, -4, 1))'
    assert sealed(seal, script) == "EPERM EPERM"


@ON_X86_64
def test_x32_is_missing(seal: Path) -> None:
    assert sealed(seal, CALLS + "print(call(0x40000000 | 41, 2, 1, 0), call(0x40000000 | 39))") == "ENOSYS ENOSYS"


INT_80 = """
import ctypes, mmap
page = mmap.mmap(-1, 4096, prot=7)
page.write(bytes.fromhex("b814000000" "cd80" "c3"))  # getpid of i386
code = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))
print(code() > 0)
"""


@ON_X86_64
def test_a_system_call_of_i386_kills(seal: Path) -> None:
    if run(*PYTHON, INT_80).stdout.strip() != "True":
        pytest.skip("this kernel has no i386")
    assert run(seal, "--", *PYTHON, INT_80).returncode == -signal.SIGSYS


def program_of_i386(file: Path) -> Path:
    """An ELF file of 32 bits that ends with 42."""
    code = bytes.fromhex("b801000000bb2a000000cd80")
    base, headers = 0x08048000, 52 + 32
    ident = b"\x7fELF\x01\x01\x01" + bytes(9)
    size = headers + len(code)
    header = ident + struct.pack("<HHIIIIIHHHHHH", 2, 3, 1, base + headers, 52, 0, 0, 52, 32, 1, 0, 0, 0)
    file.write_bytes(header + struct.pack("<8I", 1, 0, base, base, size, size, 5, 0x1000) + code)
    file.chmod(0o755)
    return file


@ON_X86_64
def test_a_program_of_i386_is_killed(seal: Path, tmp_path: Path) -> None:
    program = program_of_i386(tmp_path / "program")
    try:
        assert run(program).returncode == 42
    except OSError:
        pytest.skip("this kernel has no i386")
    assert run(seal, "--", program).returncode == -signal.SIGSYS


def test_inherited_files_are_closed(seal: Path) -> None:
    script = """
import os
def is_open(number):
    try:
        return bool(os.fstat(number))
    except OSError:
        return False
print(*filter(is_open, range(1000)))
"""
    with socket.socket() as network, open("/etc/passwd") as file:
        given = (network.fileno(), file.fileno())
        assert run(*PYTHON, script, pass_fds=given).stdout.split()[3:] == [*map(str, sorted(given))]
        done = run(seal, "--", *PYTHON, script, pass_fds=given)
    assert (done.stdout.split(), done.returncode) == (["0", "1", "2"], 0)


def test_no_rights_are_gained(seal: Path) -> None:
    status = dict(line.split(":\t") for line in sealed(seal, "print(open('/proc/self/status').read())").splitlines())
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")


# ---- what it leaves ----


def test_processes_of_python_work_together(seal: Path) -> None:
    script = """
import asyncio, multiprocessing, os, signal
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.managers import SyncManager
from multiprocessing.shared_memory import SharedMemory

def main():
    with multiprocessing.get_context("fork").Pool(2) as pool:
        print(pool.map(abs, [-1, 2]))
    with SyncManager() as manager:
        print(list(manager.list([3])))
    memory = SharedMemory(create=True, size=8)
    memory.close(); memory.unlink()
    async def child():
        process = await asyncio.create_subprocess_exec("echo", "4", stdout=-1)
        print((await process.communicate())[0].decode().strip())
    asyncio.run(child())

main()
"""
    assert sealed(seal, script).splitlines() == ["[1, 2]", "[3]", "4"]


def test_the_command_is_found_and_keeps_what_it_had(seal: Path, tmp_path: Path) -> None:
    (tmp_path / "command").write_text('#!/bin/sh\necho "$PWD $NAME $*"\nexit 3\n')
    (tmp_path / "command").chmod(0o755)
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "NAME": "a b"}
    done = run(seal, "--", "command", "--check", "--", "c d", env=env, cwd=tmp_path)
    assert (done.stdout, done.stderr, done.returncode) == (f"{tmp_path} a b --check -- c d\n", "", 3)


def test_it_becomes_the_command(seal: Path) -> None:
    with subprocess.Popen([seal, "--", *PYTHON, "import os; print(os.getpid())"], stdout=-1, text=True) as process:
        assert process.communicate()[0].strip() == str(process.pid)


# ---- limits ----

GROWS = """
import resource, sys
print(*(resource.getrlimit(r) for r in (resource.RLIMIT_FSIZE, resource.RLIMIT_CORE)))
try:
    with open(sys.argv[1], "wb", buffering=0) as file:
        print(file.write(bytes(1000)), file.write(bytes(1000)))
        file.write(b"1")
except OSError as error:
    print(error.strerror)
"""


def test_no_file_grows_beyond_its_size(seal: Path, tmp_path: Path) -> None:
    done = run(seal, "--file-size=2000", "--core-size=0", "--", *PYTHON, GROWS, tmp_path / "file")
    assert done.stdout.splitlines() == ["(2000, 2000) (0, 0)", "1000 1000", "File too large"]


def test_a_limit_that_is_lower_already_stays(seal: Path, tmp_path: Path) -> None:
    command = [str(seal), "--file-size=3000", "--", *PYTHON, GROWS, str(tmp_path / "file")]
    lower = (
        f"import os, resource as r; r.setrlimit(r.RLIMIT_FSIZE, (2000, 2000)); os.execv({command[0]!r}, {command!r})"
    )
    core = resource.getrlimit(resource.RLIMIT_CORE)
    assert run(*PYTHON, lower).stdout.splitlines()[0] == f"(2000, 2000) {core}"


# ---- where it cannot ----


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("true",),
        ("--",),
        ("--check", "--", "true"),
        ("--file-size", "--", "true"),
        ("--file-size=", "--", "true"),
        ("--file-size=-1", "--", "true"),
        ("--file-size= 1", "--", "true"),
        ("--file-size=1k", "--", "true"),
        ("--file-size=99999999999999999999999", "--", "true"),
        ("--file=1", "--", "true"),
        ("=1", "--", "true"),
    ],
)
def test_wrong_arguments_start_nothing(seal: Path, arguments: Sequence[str]) -> None:
    done = run(seal, *arguments)
    assert done.returncode == 64
    assert "usage: seal" in done.stderr


def test_a_command_that_cannot_be_executed_says_so(seal: Path, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("#!/bin/sh\n")
    assert (run(seal, "--", file).returncode, run(seal, "--", "no-such-command").returncode) == (126, 127)
    assert "no-such-command: No such file or directory" in run(seal, "--", "no-such-command").stderr


NUMBERS = {
    "x86_64": {"seccomp": 317, "close_range": 436, "prctl": 157},
    "aarch64": {"seccomp": 277, "close_range": 436, "prctl": 167},
}


def in_a_sandbox(seal: Path, call: str, answer: int, *arguments: str) -> Done:
    """Run seal where a system call is answered by a filter, and not by the kernel."""
    number = NUMBERS[platform.machine()][call]
    script = f"""
import ctypes, os, struct
allow, answer = (0x06, 0, 0, 0x7fff0000), (0x06, 0, 0, 0x50000 | {answer})
load, is_it = (0x20, 0, 0, 0), (0x15, 0, 1, {number})
filter = b"".join(struct.pack("<HBBI", *each) for each in (load, is_it, answer, allow))
class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]
libc = ctypes.CDLL(None)
assert libc.prctl(38, 1, 0, 0, 0) == 0 == libc.prctl(22, 2, ctypes.byref(Program(4, filter)))
os.execv({str(seal)!r}, {[str(seal), *arguments]!r})
"""
    return run(*PYTHON, script)


@pytest.mark.parametrize(
    ("call", "answer", "message"),
    [
        ("seccomp", 1, "no filter can be added: Operation not permitted"),
        ("seccomp", 22, "no filter can be added: Invalid argument"),
        ("seccomp", 38, "no filter can be added: Function not implemented"),
        ("seccomp", 0, "a network socket is not refused"),  # an emulator that takes a filter and never asks it
        ("prctl", 22, "no_new_privs cannot be set: Invalid argument"),
        ("close_range", 38, "inherited files cannot be closed: Function not implemented"),
    ],
)
def test_where_it_cannot_seal_nothing_is_started(seal: Path, call: str, answer: int, message: str) -> None:
    for arguments in (["--", "echo", "started"], ["--check"]):
        done = in_a_sandbox(seal, call, answer, *arguments)
        assert (done.returncode, done.stdout) == (65, "")
        assert done.stderr.startswith(f"CannotSeal: {message}. ")


def test_standard_files_are_no_way_out(seal: Path) -> None:
    with socket.socket() as network:
        done = run(seal, "--", "echo", "started", stdin=network)
    assert (done.returncode, done.stdout) == (65, "")
    assert "CannotSeal: standard input, output or error is a network connection" in done.stderr
    with socket.socket(socket.AF_UNIX) as local:
        assert run(seal, "--check", stdin=local).returncode == 0


# ---- as fetch puts it in place ----


def test_it_is_put_in_place_and_tried(seal: Path, tmp_path: Path) -> None:
    sealing.install(seal, tmp_path / "seal")
    assert run(tmp_path / "seal", "--", "echo", "started").stdout == "started\n"


def test_a_binary_of_another_architecture_is_found_out(tmp_path: Path) -> None:
    (other,) = set(launcher.ARCHITECTURES) - {platform.machine()}
    with pytest.raises(DeliveryError, match="Exec format error") as caught:
        sealing.install(launcher.seal(other), tmp_path / "seal")
    assert caught.value.reason == "CannotSeal"


@AS_ROOT
def test_a_volume_that_is_mounted_noexec_is_found_out(seal: Path, tmp_path: Path) -> None:
    script = f"""
from pathlib import Path
from ddtas.runner import sealing
from ddtas.runner.faults import DeliveryError
try:
    sealing.install(Path({str(seal)!r}), Path({str(tmp_path)!r}, "seal"))
except DeliveryError as error:
    print(error.reason, error.message)
"""
    mount = f'mount -t tmpfs -o noexec,size=1m none "{tmp_path}" && exec "$@"'
    command = ["unshare", "--mount", "sh", "-c", mount, "sh", sys.executable, "-c", script]
    assert shutil.which("unshare")
    done = run(*command)
    assert done.stdout.startswith("CannotSeal "), done.stderr
    assert "noexec" in done.stdout
