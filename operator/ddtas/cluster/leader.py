"""One replica works, the others stand by: a Lease, held with the `kubernetes` package's leader election."""

import asyncio
import logging
from collections.abc import Callable

from kubernetes.aio.leaderelection.electionconfig import Config
from kubernetes.aio.leaderelection.leaderelection import LeaderElection
from kubernetes.aio.leaderelection.resourcelock.leaselock import LeaseLock

from ddtas.cluster.client import Client
from ddtas.cluster.resources import ResourceType
from ddtas.errors import ClusterError
from ddtas.names import FIELD_MANAGER

log = logging.getLogger(__name__)

LEASE = ResourceType("Lease", "/apis/coordination.k8s.io/v1", "leases")
LEASE_NAME = FIELD_MANAGER

# Kubernetes' own components use these; a crashed leader is followed after at most LEASE_SECONDS.
LEASE_SECONDS, RENEW_WITHIN_SECONDS, RETRY_SECONDS = 15, 10, 5


async def lead(
    client: Client, namespace: str, identity: str, on_leading: Callable[[], None], on_lost: Callable[[], None]
) -> None:
    """Wait for the Lease, then keep it, until cancelled. A Lease that is held is given back."""
    leading = asyncio.Event()

    async def started() -> None:
        leading.set()
        log.info("leading", extra={"identity": identity})
        on_leading()

    async def stopped() -> None:
        leading.clear()
        log.error("the Lease was lost", extra={"identity": identity})
        on_lost()

    lock = LeaseLock(LEASE_NAME, namespace, identity, client.api)
    election = LeaderElection(Config(lock, LEASE_SECONDS, RENEW_WITHIN_SECONDS, RETRY_SECONDS, started, stopped))
    try:
        await election.run()
    finally:
        if leading.is_set():
            await _release(client, namespace, identity)


async def _release(client: Client, namespace: str, identity: str) -> None:
    """Let the next replica take over at once."""
    try:
        lease = await client.get(LEASE, namespace, LEASE_NAME)
        if lease["spec"].get("holderIdentity") == identity:
            lease["spec"]["holderIdentity"] = ""
            await client.replace(LEASE, lease)
    except ClusterError as error:
        log.warning("the Lease could not be given back: %s", error)
