"""The witness of the state machines and of the faults sees Installations, however the API server begins."""

from typing import Any

import cluster_apps as apps
import pytest
from cluster_kit import KINDS, ApiServer, eventually
from cluster_witness import Witness


def test_installations_are_seen_where_their_list_was_refused_at_first(
    cluster: ApiServer, space: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So it is with CRDs that are new: "storage is (re)initializing", for the first list of each kind."""
    answer = cluster.raw
    refused: list[str] = []

    def raw(method: str, path: str, *arguments: Any, **more: Any) -> tuple[int, bytes]:
        if path.partition("?")[0].endswith("/installations") and method == "GET" and not refused:
            refused.append(path)
            return 429, b'{"kind": "Status", "message": "storage is (re)initializing", "code": 429}\n'
        return answer(method, path, *arguments, **more)

    monkeypatch.setattr(cluster, "raw", raw)
    witness = Witness(cluster, space)
    try:
        cluster.apply(apps.installation(space, "flood", "none"))
        eventually("Installation", lambda: [e.name for e in witness.seen() if e.kind == "Installation"] == ["flood"])
        cluster.delete(KINDS["Installation"], space, "flood")
        eventually("deletion", lambda: [e for e in witness.seen() if e.kind == "Installation" and e.leaves])
    finally:
        witness.dismiss()
    assert refused
