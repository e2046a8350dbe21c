"""What the other tests take for granted of the embedded node."""

from pathlib import Path

import pytest
from e2e_kit import Cluster

from ddtas_dev.layout import BRIDGE, BRIDGE_MAC

_BRIDGE = Path("/sys/class/net") / BRIDGE


def test_pods_do_not_lose_their_gateway_when_another_pod_comes_or_goes(cluster: Cluster) -> None:
    """A bridge that takes its ports' lowest address lost names in the middle of a roll: nobody answered there."""
    if not _BRIDGE.exists():
        pytest.skip("this cluster's node is not an embedded one")
    assert (_BRIDGE / "address").read_text().strip() == BRIDGE_MAC
