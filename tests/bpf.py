"""Filters of system calls, read out of a binary and interpreted: what the kernel would answer on any architecture."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ALLOW, KILL_PROCESS, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000

# The instructions that such filters are made of (linux/bpf_common.h): class, size or operation, and mode or source.
_LOAD_WORD = 0x20  # BPF_LD | BPF_W | BPF_ABS
_RETURN = 0x06  # BPF_RET | BPF_K
_JUMPS = {0x15: lambda a, k: a == k, 0x25: lambda a, k: a > k, 0x35: lambda a, k: a >= k, 0x45: lambda a, k: a & k != 0}


@dataclass(frozen=True)
class Instruction:
    """One sock_filter: a code, two offsets of a jump, and a constant."""

    code: int
    if_true: int
    if_false: int
    constant: int


def program(binary: Path, section: str) -> list[Instruction]:
    """The filter in a section of an ELF file of 64 bits, little-endian."""
    content = _section(binary.read_bytes(), section.encode())
    return [Instruction(*fields) for fields in struct.iter_unpack("<HBBI", content)]


def answer(filter_: Sequence[Instruction], architecture: int, number: int, arguments: Sequence[int] = ()) -> int:
    """What a filter returns for a system call: an action, and below it an errno.

    Args:
        filter_: the program.
        architecture: AUDIT_ARCH_… of the caller.
        number: of the system call.
        arguments: of 64 bits each.

    Raises:
        IndexError: the program does not end by a return, or jumps beyond its end.
        ValueError: it has an instruction that is not known here.
    """
    data = struct.pack("<IIQ6Q", number & 0xFFFFFFFF, architecture, 0x1000, *[*arguments, *[0] * 6][:6])
    at, accumulator = 0, 0
    while True:
        here = filter_[at]
        at += 1
        if here.code == _RETURN:
            return here.constant
        if here.code == _LOAD_WORD:
            (accumulator,) = struct.unpack_from("<I", data, here.constant)
        elif here.code in _JUMPS:
            at += here.if_true if _JUMPS[here.code](accumulator, here.constant) else here.if_false
        else:
            raise ValueError(f"instruction {at - 1} has the code {here.code:#x}")


def _section(elf: bytes, wanted: bytes) -> bytes:
    offset, size, count, names = struct.unpack_from("<Q10xHHH", elf, 0x28)
    headers = [struct.unpack_from("<IIQQQQ", elf, offset + size * i) for i in range(count)]
    texts = headers[names][4]
    for name, _, _, _, start, length in headers:
        if elf[texts + name :].split(b"\0", 1)[0] == wanted:
            return elf[start : start + length]
    raise LookupError(f"no section {wanted.decode()}")
