"""The gate that all connections to data sources go through: names, addresses, sockets.

The address policy is asked about the address of each socket, after DNS: a rebinding name, a decimal or hexadecimal host
and an IPv4 address inside an IPv6 one all come by here.
"""

import asyncio
import functools
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

from ddtas.data.addresses import AddressPolicy
from ddtas.data.session import Session, SourceReason
from ddtas.errors import SourceError

# A host that does not answer is given up well before the whole deadline: it holds a slot that others wait for.
_LOOKUP_SECONDS = 5.0
CONNECT_SECONDS = 5.0
NO_CONNECTION = (
    f"takes no connection within {CONNECT_SECONDS:g} seconds: is the server up, and does a firewall or NetworkPolicy "
    "let the operator out?"
)
# One thread: a probe's process can start no other once its limits are set.
_LOOKUPS = ThreadPoolExecutor(max_workers=1, thread_name_prefix="probe-dns")


class Gate:
    """Makes the sockets of one session, and no socket for an address that the policy refuses."""

    def __init__(self, policy: AddressPolicy) -> None:
        self._policy = policy
        self._hosts: dict[str, str] = {}  # by address, the name that led to it
        self.refusals: set[str] = set()

    def enter(self, host: str) -> None:
        """A host is about to be looked up.

        Raises:
            PermissionError: it may not be connected to, whatever its address.
        """
        if refusal := self._policy.name_refusal(host):
            self.refusals.add(f"{host} ({refusal})")
            raise PermissionError(refusal)

    def note(self, host: str, address: str) -> None:
        """A host has that address."""
        self._hosts[address] = host

    def socket(self, info: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, _, (address, *_) = info
        if refusal := self._policy.refusal(address, self._hosts.get(address, "")):
            self.refusals.add(f"{address} ({refusal})")
            raise PermissionError(refusal)  # an OSError makes aiohttp try the next address of the name
        return socket.socket(family, kind, protocol)

    async def permitted(self, host: str, port: int) -> str | None:
        """The first address of a host that may be connected to; None where none may, and `refusals` says why.

        Raises:
            OSError: as `lookup`; PermissionError as `enter`.
        """
        self.enter(host)
        addresses = [str(info[4][0]) for info in await lookup(host, port)]
        refusals = {address: self._policy.refusal(address, host) for address in addresses}
        self.refusals |= {f"{address} ({refusal})" for address, refusal in refusals.items() if refusal}
        return next((address for address, refusal in refusals.items() if refusal is None), None)


class Resolver(AbstractResolver):
    """Looks names up for aiohttp, and tells the gate what they lead to."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        self._gate.enter(host)
        addresses = await lookup(host, port, family)
        for *_, address in addresses:
            self._gate.note(host, str(address[0]))
        return [
            ResolveResult(hostname=host, host=str(address[0]), port=port, family=of, proto=protocol, flags=0)
            for of, _, protocol, _, address in addresses
        ]

    async def close(self) -> None:
        """Nothing to close: the threads are shared."""


def start_lookups() -> None:
    """Start the thread that looks names up."""
    _LOOKUPS.submit(int).result()


async def lookup(host: str, port: int, family: int = socket.AF_UNSPEC) -> list[tuple[Any, ...]]:
    """The addresses of a host, as `socket.getaddrinfo` gives them, in a thread of the probes' own.

    Raises:
        OSError: the name is not in DNS, or no name at all, or DNS does not answer within five seconds.
    """
    ask = functools.partial(socket.getaddrinfo, host, port, family, socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    try:
        async with asyncio.timeout(_LOOKUP_SECONDS):
            return await asyncio.get_running_loop().run_in_executor(_LOOKUPS, ask)
    except UnicodeError:
        raise OSError(None, "not a host name") from None
    except TimeoutError:
        raise OSError(None, "no answer from DNS") from None


async def permitted(session: Session, host: str, port: int) -> str:
    """The first address of a host that may be connected to, for clients that make sockets of their own.

    They must connect to this address and not look the name up again: the answer may be another by then.

    Raises:
        SourceError: Unreachable when the host is not in DNS, AddressForbidden when no address may be connected to.
    """
    gate = Gate(session.policy)
    try:
        address = await gate.permitted(host, port)
    except PermissionError:
        address = None
    except OSError:
        raise session.error(
            SourceReason.UNREACHABLE, "has a host that is not in DNS, or DNS does not answer: correct the endpoint"
        ) from None
    if address is None:
        raise forbidden(session, gate.refusals)
    return address


def forbidden(session: Session, refusals: set[str], culprit: str = "endpoint") -> SourceError:
    """The error for addresses, each with its refusal, that may not be connected to."""
    verb = "leads to" if culprit == "endpoint" else f"has a {culprit} that leads to"
    return session.error(
        SourceReason.ADDRESS_FORBIDDEN,
        f"{verb} {', '.join(sorted(refusals)[:4])}, where probes may not connect to: correct the {culprit}, or ask "
        "whoever runs the operator to allow it (docs/operations.md, Network)",
    )
