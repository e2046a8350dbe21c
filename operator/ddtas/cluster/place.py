"""Where the workloads of a platform go: beside the platform, or in one namespace of the city's own cluster."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ddtas.cluster.memory.children import Children
from ddtas.cluster.rest.client import Client


async def _always_the_same() -> None:
    """The operator's own cluster cannot become another one while it runs."""


@dataclass(frozen=True, slots=True)
class Place:
    """A cluster that can be worked on now.

    Attributes:
        client: of its API server.
        children: what is there of ours.
        kubernetes_version: such as "1.36".
        namespace: of the workloads; "" where they are beside their Installation.
        verify: raises ClusterError when it is not the cluster that it was; awaited before anything is changed there.
    """

    client: Client
    children: Children
    kubernetes_version: str
    namespace: str = ""
    verify: Callable[[], Awaitable[None]] = _always_the_same

    @property
    def remote(self) -> bool:
        """Whether it is a city's own cluster."""
        return bool(self.namespace)
