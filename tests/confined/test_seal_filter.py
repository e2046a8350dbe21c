"""The filter of `seal`, as it is in the binaries of both architectures: which system calls it refuses, one by one.

The numbers are those of the kernel's tables: arch/x86/entry/syscalls/syscall_64.tbl, and
include/uapi/asm-generic/unistd.h for aarch64.
"""

import errno
import platform
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

import bpf
import pytest

from ddtas_dev import launcher

NEWEST = 469  # file_setattr
X32 = 0x40000000
REFUSED, MISSING = bpf.ERRNO | errno.EPERM, bpf.ERRNO | errno.ENOSYS
# The same on each architecture, as all system calls from 424 on.
OF_ALL = {
    "io_uring_setup": 425,
    "io_uring_enter": 426,
    "io_uring_register": 427,
    "pidfd_getfd": 438,
    "process_madvise": 440,
}


@dataclass(frozen=True)
class Machine:
    """An architecture: how the kernel calls it, and its numbers of system calls."""

    name: str
    audit: int
    socket: int
    socketpair: int
    refused: dict[str, int] = field(hash=False)

    @property
    def filter(self) -> Sequence[bpf.Instruction]:
        return bpf.program(launcher.seal(self.name), "seal_filter")


X86_64 = Machine(
    "x86_64",
    0xC000003E,
    41,
    53,
    OF_ALL
    | {
        "ptrace": 101,
        "process_vm_readv": 310,
        "process_vm_writev": 311,
        "kcmp": 312,
        "open_by_handle_at": 304,
        "add_key": 248,
        "request_key": 249,
        "keyctl": 250,
        "bpf": 321,
        "perf_event_open": 298,
    },
)
AARCH64 = Machine(
    "aarch64",
    0xC00000B7,
    198,
    199,
    OF_ALL
    | {
        "ptrace": 117,
        "process_vm_readv": 270,
        "process_vm_writev": 271,
        "kcmp": 272,
        "open_by_handle_at": 265,
        "add_key": 217,
        "request_key": 218,
        "keyctl": 219,
        "bpf": 280,
        "perf_event_open": 241,
    },
)
MACHINES = pytest.mark.parametrize("machine", [X86_64, AARCH64], ids=lambda machine: machine.name)


@MACHINES
def test_it_refuses_what_it_says_and_nothing_else(machine: Machine) -> None:
    filter_ = machine.filter
    unix = [socket.AF_UNIX]
    refused = {n for n in range(NEWEST + 1) if bpf.answer(filter_, machine.audit, n, unix) != bpf.ALLOW}
    assert refused == set(machine.refused.values())
    assert {bpf.answer(filter_, machine.audit, n, unix) for n in refused} == {REFUSED}


@MACHINES
def test_sockets_are_local_whatever_the_rest_of_the_argument_says(machine: Machine) -> None:
    filter_ = machine.filter
    for call in (machine.socket, machine.socketpair):
        for family in (*range(256), 2**16, 2**16 + 1, 2**31, 2**32 - 1):
            wanted = bpf.ALLOW if family == socket.AF_UNIX else REFUSED
            for upper in (0, 1, 2**32 - 1):  # the kernel does not read it
                assert bpf.answer(filter_, machine.audit, call, [family | upper << 32]) == wanted, family


@MACHINES
def test_what_is_newer_than_the_filter_does_not_exist(machine: Machine) -> None:
    numbers = [NEWEST + 1, NEWEST + 2, 511, 512, 547, 1000, 2**16, 2**31, 2**32 - 1]
    assert {bpf.answer(machine.filter, machine.audit, n) for n in numbers} == {MISSING}


@MACHINES
def test_x32_does_not_exist(machine: Machine) -> None:
    assert {bpf.answer(machine.filter, machine.audit, X32 | n) for n in range(1024)} == {MISSING}


@MACHINES
@pytest.mark.parametrize(
    "other",
    [0x40000003, 0x40000028, 0xC000003E, 0xC00000B7, 0x800000B7, 0xC00000F3, 0],
    ids=["i386", "arm", "x86_64", "aarch64", "aarch64-big-endian", "riscv64", "none"],
)
def test_a_program_of_another_architecture_is_killed(machine: Machine, other: int) -> None:
    if other != machine.audit:
        assert {bpf.answer(machine.filter, other, n) for n in (0, 41, 102, 198, 281)} == {bpf.KILL_PROCESS}


LOADS = """
import ctypes, sys
content = bytes.fromhex(sys.argv[1])
class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]
libc = ctypes.CDLL(None, use_errno=True)
if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, ctypes.byref(Program(len(content) // 8, content))):
    raise SystemExit(f"errno {ctypes.get_errno()}")
"""


@MACHINES
@pytest.mark.skipif(platform.system() != "Linux", reason="a filter of Linux")
def test_the_kernel_takes_it(machine: Machine) -> None:
    """It checks all instructions and jumps, and not for which architecture they are: the other one kills at once."""
    content = b"".join(struct.pack("<HBBI", i.code, i.if_true, i.if_false, i.constant) for i in machine.filter)
    done = subprocess.run([sys.executable, "-c", LOADS, content.hex()], capture_output=True, text=True, check=False)
    own = machine.name == platform.machine()
    assert done.returncode == (0 if own else -signal.SIGSYS), done.stderr
