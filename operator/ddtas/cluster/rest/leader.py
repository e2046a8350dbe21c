"""One replica works, the others stand by: a Lease.

The `kubernetes` package has a leader election, but its LeaseLock cannot create a Lease in version 37 (it sends
`pretty=True` where its own client takes text), and it writes local time as UTC. The protocol is that of client-go's
leaderelection: a Lease that was not renewed for its duration, by the observer's own clock, may be taken; the API
server's optimistic locking decides between two that try.
"""

import asyncio
import logging
import math
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from ddtas.cluster.rest.client import Client
from ddtas.cluster.rest.resources import ResourceType
from ddtas.errors import ClusterError, Conflict, Fenced, NotFound
from ddtas.names import FIELD_MANAGER

log = logging.getLogger(__name__)

JsonObject = dict[str, Any]

LEASE = ResourceType("Lease", "/apis/coordination.k8s.io/v1", "leases")
LEASE_NAME = FIELD_MANAGER

# As Kubernetes' own components: a leader that crashed is followed after at most LEASE_SECONDS; one that cannot renew
# stops well before another may start.
LEASE_SECONDS, RENEW_WITHIN_SECONDS, RETRY_SECONDS = 15, 10, 5
_MOST_TRANSITIONS = 2**31 - 1


class Election:
    """One candidate."""

    def __init__(self, client: Client, namespace: str, identity: str) -> None:
        """Take no part yet.

        Args:
            client: of the API server, with bounds that leave time for a second request, and without a fence.
            namespace: of the Lease.
            identity: of this candidate; no other one has it.
        """
        self._client = client
        self._namespace = namespace
        self._identity = identity
        self._lease: JsonObject | None = None  # as last seen, or written
        self._seen_at = 0.0  # when it last changed, by this process's clock
        self._renewed_at = -math.inf  # when the last request was sent that took or renewed it

    def fence(self) -> None:
        """Asked right before each write of a leader.

        Raises:
            Fenced: the Lease was not renewed for so long that another one may have it: this process was stopped, or
                does not reach the API server.
        """
        if not self._leads:
            raise Fenced(0, "not sent: the Lease was not renewed in time, and another replica may lead")

    @property
    def _leads(self) -> bool:
        """Renewed in time; and nobody else was seen to have the Lease, as one may who was given it by hand."""
        return _clock() - self._renewed_at < RENEW_WITHIN_SECONDS and (self._lease is None or self._held)

    async def run(self, on_leading: Callable[[], None], on_lost: Callable[[], None]) -> None:
        """Wait for the Lease, then keep it, until cancelled: then it is given back."""
        while not await self._try():  # noqa: ASYNC110 - polling is what the protocol is
            await asyncio.sleep(RETRY_SECONDS)
        log.info("leading", extra={"identity": self._identity})
        on_leading()
        try:
            while self._leads:  # noqa: ASYNC110
                await asyncio.sleep(RETRY_SECONDS if await self._try() else 1)
        except asyncio.CancelledError:
            await self._give_back()
            raise
        self._renewed_at = -math.inf
        log.error("the Lease was lost", extra={"identity": self._identity})
        on_lost()

    async def _try(self) -> bool:
        """Take or renew the Lease; False when another one has it, or the API server does not answer."""
        try:
            if self._lease is None or not self._held:
                await self._look(_clock())
            other = self._lease is not None and not self._held and self._holder
            if other and _clock() - self._seen_at < LEASE_SECONDS:
                return False
            began = _clock()
            self._lease = await self._write(self._identity)
        except ClusterError as error:
            log.warning("the Lease could not be taken or renewed: %s", error)
            if isinstance(error, Conflict):
                self._lease = None
            return False
        self._seen_at = self._renewed_at = began
        return True

    async def _look(self, now: float) -> None:
        try:
            lease = await self._client.get(LEASE, self._namespace, LEASE_NAME)
        except NotFound:
            self._lease = None
            return
        if self._lease is None or self._version(lease) != self._version(self._lease):
            self._lease, self._seen_at = lease, now

    async def _write(self, holder: str) -> JsonObject:
        now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        old, count = self._spec, self._spec.get("leaseTransitions")
        changes = count + 1 if isinstance(count, int) and 0 <= count < _MOST_TRANSITIONS else 1
        taken = {} if self._held else {"acquireTime": now, "leaseTransitions": changes}
        spec = old | taken | {"holderIdentity": holder, "renewTime": now, "leaseDurationSeconds": LEASE_SECONDS}
        metadata: JsonObject = {"name": LEASE_NAME, "namespace": self._namespace}
        manifest = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}
        if self._lease is None:
            return await self._client.create(LEASE, manifest)
        metadata["resourceVersion"] = self._version(self._lease)
        return await self._client.replace(LEASE, manifest)

    async def _give_back(self) -> None:
        """Let the next replica take over at once."""
        if not self._held:
            return
        try:
            await self._write("")
        except ClusterError as error:
            log.warning("the Lease could not be given back: %s", error)

    @property
    def _spec(self) -> JsonObject:
        """What the Lease says; anybody who may edit it may have left nothing in it."""
        spec = self._lease.get("spec") if self._lease is not None else None
        return spec if isinstance(spec, dict) else {}

    @property
    def _holder(self) -> str:
        return str(self._spec.get("holderIdentity") or "")

    @property
    def _held(self) -> bool:
        return self._holder == self._identity

    @staticmethod
    def _version(lease: JsonObject) -> str:
        return str(lease["metadata"]["resourceVersion"])


def _clock() -> float:
    """Seconds that also pass while the process is stopped, or the machine sleeps."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
