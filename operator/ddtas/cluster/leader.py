"""One replica works, the others stand by: a Lease.

The `kubernetes` package has a leader election, but its LeaseLock cannot create a Lease in version 37 (it sends
`pretty=True` where its own client takes text), and it writes local time as UTC. The protocol is that of client-go's
leaderelection: a Lease that was not renewed for its duration, by the observer's own clock, may be taken; the API
server's optimistic locking decides between two that try.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from ddtas.cluster.client import Client
from ddtas.cluster.resources import ResourceType
from ddtas.errors import ClusterError, Conflict, NotFound
from ddtas.names import FIELD_MANAGER

log = logging.getLogger(__name__)

JsonObject = dict[str, Any]

LEASE = ResourceType("Lease", "/apis/coordination.k8s.io/v1", "leases")
LEASE_NAME = FIELD_MANAGER

# As Kubernetes' own components: a leader that crashed is followed after at most LEASE_SECONDS; one that cannot renew
# stops well before another may start.
LEASE_SECONDS, RENEW_WITHIN_SECONDS, RETRY_SECONDS = 15, 10, 5


class Election:
    """One candidate."""

    def __init__(self, client: Client, namespace: str, identity: str) -> None:
        self._client = client
        self._namespace = namespace
        self._identity = identity
        self._lease: JsonObject | None = None  # as last seen, or written
        self._seen_at = 0.0  # when it last changed, by this process's clock

    async def run(self, on_leading: Callable[[], None], on_lost: Callable[[], None]) -> None:
        """Wait for the Lease, then keep it, until cancelled: then it is given back."""
        while not await self._try():  # noqa: ASYNC110 - polling is what the protocol is
            await asyncio.sleep(RETRY_SECONDS)
        log.info("leading", extra={"identity": self._identity})
        on_leading()
        try:
            clock = asyncio.get_running_loop().time
            while clock() - self._seen_at < RENEW_WITHIN_SECONDS:  # noqa: ASYNC110
                await asyncio.sleep(RETRY_SECONDS if await self._try() else 1)
        except asyncio.CancelledError:
            await self._give_back()
            raise
        log.error("the Lease was lost", extra={"identity": self._identity})
        on_lost()

    async def _try(self) -> bool:
        """Take or renew the Lease; False when another one has it, or the API server does not answer."""
        clock = asyncio.get_running_loop().time
        try:
            if self._lease is None or not self._held:
                await self._look(clock())
            if self._lease is not None and not self._held and self._holder and clock() - self._seen_at < LEASE_SECONDS:
                return False
            self._lease = await self._write(self._identity)
        except ClusterError as error:
            log.warning("the Lease could not be taken or renewed: %s", error)
            if isinstance(error, Conflict):
                self._lease = None
            return False
        self._seen_at = clock()
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
        old = self._lease["spec"] if self._lease else {}
        taken = {} if self._held else {"acquireTime": now, "leaseTransitions": old.get("leaseTransitions", 0) + 1}
        spec = old | taken | {"holderIdentity": holder, "renewTime": now, "leaseDurationSeconds": LEASE_SECONDS}
        metadata: JsonObject = {"name": LEASE_NAME, "namespace": self._namespace}
        manifest = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}
        if self._lease is None:
            return await self._client.create(LEASE, manifest)
        metadata["resourceVersion"] = self._version(self._lease)
        return await self._client.replace(LEASE, manifest)

    async def _give_back(self) -> None:
        """Let the next replica take over at once."""
        try:
            await self._write("")
        except ClusterError as error:
            log.warning("the Lease could not be given back: %s", error)

    @property
    def _holder(self) -> str:
        return str(self._lease["spec"].get("holderIdentity") or "") if self._lease else ""

    @property
    def _held(self) -> bool:
        return self._holder == self._identity

    @staticmethod
    def _version(lease: JsonObject) -> str:
        return str(lease["metadata"]["resourceVersion"])
