"""Where the runner finds what it is told, where it leaves what it made, and how far it may go."""

import os
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path

from ddtas.data.addresses import AddressPolicy
from ddtas.data.delivery import order
from ddtas.data.network import CLUSTER_DOMAIN
from ddtas.data.session import Limits
from ddtas.names import CONFIG_ROOT

MIB = 1024 * 1024
_VARIABLES = {
    "bindings": "SERVICE_BINDING_ROOT",
    "data": "DDTAS_DATA",
    "report": "DDTAS_RESULT",
    "seal": "DDTAS_SEAL",
    "truth": "DDTAS_TRUTH",
    "output": "DDTAS_OUTPUT",
}


@dataclass(frozen=True)
class Places:
    """Folders and files of the container.

    Attributes:
        order: what is to be fetched (an Order).
        bindings: a folder for each requirement.
        data: where tables go; the app sees it.
        report: the termination message.
        seal: where `seal` goes, which starts the app; None where nobody wants it.
        binary: `seal` as it is in the image.
        truth: where tables go of which a part is withheld; the app does not see it. None: nothing can be withheld.
        output: where the app leaves what it makes. None: it leaves nothing.
    """

    order: Path = Path(CONFIG_ROOT) / order.FILE
    bindings: Path = Path("/bindings")
    data: Path = Path("/data")
    report: Path = Path("/dev/termination-log")
    seal: Path | None = None
    binary: Path = Path("/opt/runner/seal")
    truth: Path | None = None
    output: Path | None = None

    @classmethod
    def of_environment(cls) -> "Places":
        """The defaults, but for what DDTAS_CONFIG and the variables of `_VARIABLES` say."""
        given = {field: Path(os.environ[name]) for field, name in _VARIABLES.items() if os.environ.get(name)}
        folder = os.environ.get("DDTAS_CONFIG")
        return cls(**given, **({"order": Path(folder) / order.FILE} if folder else {}))


def limits(maximum_bytes: int | None, seconds: float) -> Limits:
    """How far one fetch may go: whole files and many pages, unlike a probe."""
    return Limits(
        deadline_seconds=seconds,
        max_bytes=maximum_bytes or 16 * 1024 * MIB,
        max_document_bytes=64 * MIB,
        max_row_characters=1024 * 1024,
        max_value_characters=1024 * 1024,
        max_requests=100_000,
    )


def addresses(network: order.Network) -> AddressPolicy:
    """Which addresses may be connected to."""
    return AddressPolicy(
        allowed=tuple(map(ip_network, network.allowed)),
        forbidden=tuple(map(ip_network, network.forbidden)),
        inside=tuple(map(ip_network, network.inside)),
        namespaces=tuple(network.namespaces),
        domain=network.domain or CLUSTER_DOMAIN,
    )
