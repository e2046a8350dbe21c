"""Applying a plan, most of it on a city's own cluster: nothing of others is touched, and that costs no request."""

from collections.abc import AsyncGenerator
from typing import Any

import pytest
from builders import UID
from builders import City as Model
from plan.children.test_volumes import DATA, KEY, listing
from plan.remote.test_identity import ONE, config_map_body, remote

from ddtas import names
from ddtas.cluster.memory.children import Children
from ddtas.cluster.memory.ownership import Ownership, Seal
from ddtas.cluster.place import Place
from ddtas.cluster.rest.resources import BY_KIND, ResourceType
from ddtas.cluster.write.apply import apply, remove_all
from ddtas.errors import ClusterError, Conflict, NotFound
from ddtas.plan.decision.decide import decide
from ddtas.plan.reasons import Reason
from ddtas.plan.snapshot import Child, Key


class Server:
    """An API server that stores what it is sent, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.written = 0
        self.there: dict[tuple[str, str], dict[str, Any]] = {}

    async def get(self, resource: ResourceType, namespace: str, name: str) -> dict[str, Any]:
        self.asked.append("get")
        try:
            return self.there[resource.kind, name]
        except KeyError:
            raise NotFound(404, "not there") from None

    async def apply(self, resource: ResourceType, manifest: dict[str, Any], *, force: bool) -> dict[str, Any]:
        self.asked.append("apply")
        metadata, key = dict(manifest["metadata"]), (resource.kind, manifest["metadata"]["name"])
        live = self.there.get(key, {"metadata": {}})["metadata"]
        version, uid = metadata.pop("resourceVersion", None), metadata.get("uid")
        if (live and version not in (None, live["resourceVersion"])) or (uid and uid != live.get("uid")):
            raise Conflict(409, "the object has been modified")
        self.written += 1
        metadata |= {"uid": live.get("uid", f"uid-{self.written}"), "resourceVersion": str(100 + self.written)}
        self.there[key] = manifest | {"metadata": metadata}
        return self.there[key]

    async def pages(
        self, resource: ResourceType, namespace: str, selector: str
    ) -> AsyncGenerator[dict[str, Any], None]:
        self.asked.append("list")
        key, _, value = selector.partition("=")
        of_kind = [body for (kind, _), body in self.there.items() if kind == resource.kind]
        yield {"items": [body for body in of_kind if body["metadata"]["labels"].get(key) == value]}

    async def delete(
        self, resource: ResourceType, namespace: str, name: str, uid: str, version: str | None = None
    ) -> None:
        self.asked.append("delete")
        assert self.there.pop((resource.kind, name))["metadata"]["uid"] == uid


SEAL = Seal(b"k" * 32)


def owned(children: Children) -> dict[Key, Child]:
    """What is the Installation's of them."""
    return Ownership(UID, "twins", {}, SEAL).of(children.there(("voorbeeldstad", "flood")))


async def refused() -> None:
    raise ClusterError(0, "the kubeconfig leads to another cluster than before")


def edited(body: dict[str, Any]) -> dict[str, Any]:
    """A child, after somebody set our fields to something else."""
    fields = [{"manager": names.FIELD_MANAGER, "operation": "Apply", "fieldsV1": {"f:data": {}}}]
    metadata = body["metadata"] | {"resourceVersion": "999", "managedFields": fields}
    return body | {"metadata": metadata, "data": {"edited": "by hand"}}


def place(server: Server, children: Children, **more: Any) -> Place:
    return Place(server, children, "1.36", "twins", **more)  # type: ignore[arg-type]


def snapshot() -> Any:
    return Model(platform=remote(ONE), workload_namespace="twins").snapshot()


async def test_each_object_is_made_by_one_request() -> None:
    server, children, seen = Server(), Children("voorbeeldstad"), snapshot()
    plan = decide(seen)
    changes = await apply(server, place(server, children), seen, plan, SEAL)  # type: ignore[arg-type]
    assert changes is not None
    assert len(changes.created) == len(plan.desired) > 0
    assert server.asked == ["apply"] * len(plan.desired)
    assert set(owned(children)) == {d.key for d in plan.desired}


async def test_an_object_that_was_made_anew_by_somebody_else_is_left_alone() -> None:
    """The watch has not told yet that it is another one."""
    server, children, seen = Server(), Children("voorbeeldstad"), snapshot()
    where, plan = place(server, children), decide(seen)
    await apply(server, where, seen, plan, SEAL)  # type: ignore[arg-type]
    key = next(d.key for d in plan.desired if d.key[0] == "ConfigMap")
    children.put(BY_KIND[key[0]], edited(server.there[key]))
    server.there[key] = config_map_body(key[1], {names.LABEL_OWNER: "another"}) | {"data": {"precious": "yes"}}
    before = server.there[key]
    changes = await apply(server, where, seen, plan, SEAL)  # type: ignore[arg-type]
    assert changes is not None
    assert [fault.reason for fault in changes.faults] == [Reason.NAME_TAKEN]
    assert server.there[key] == before


async def test_an_object_that_is_gone_without_news_is_made_anew() -> None:
    server, children, seen = Server(), Children("voorbeeldstad"), snapshot()
    where, plan = place(server, children), decide(seen)
    await apply(server, where, seen, plan, SEAL)  # type: ignore[arg-type]
    key = next(d.key for d in plan.desired if d.key[0] == "ConfigMap")
    children.put(BY_KIND[key[0]], edited(server.there.pop(key)))
    changes = await apply(server, where, seen, plan, SEAL)  # type: ignore[arg-type]
    assert changes is not None
    assert not changes.faults
    assert key in server.there


async def test_nothing_is_done_on_another_cluster() -> None:
    server, seen = Server(), snapshot()
    where = place(server, Children("voorbeeldstad"), verify=refused)
    with pytest.raises(ClusterError):
        await apply(server, where, seen, decide(seen), SEAL)  # type: ignore[arg-type]
    with pytest.raises(ClusterError):
        await remove_all(where, UID)
    assert server.asked == []


async def test_what_an_abandoned_namesake_left_is_in_the_way_and_stays() -> None:
    server, children, seen = Server(), Children("voorbeeldstad"), snapshot()
    plan = decide(seen)
    (kind, name), *_ = (d.key for d in plan.desired)
    left = config_map_body(name, {names.LABEL_OWNER: "an-earlier-one"})
    server.there[kind, name] = left
    children.put(BY_KIND[kind], left)
    changes = await apply(server, place(server, children), seen, plan, SEAL)  # type: ignore[arg-type]
    assert changes is not None
    assert [fault.reason for fault in changes.faults] == [Reason.NAME_TAKEN]
    assert server.there[kind, name] == left


async def test_all_that_carries_the_uid_is_removed_and_nothing_else() -> None:
    server, seen = Server(), snapshot()
    where = place(server, Children("voorbeeldstad"))
    await apply(server, where, seen, decide(seen), SEAL)  # type: ignore[arg-type]
    other = config_map_body("other", {names.LABEL_OWNER: "another"})
    server.there["ConfigMap", "other"] = other
    assert await remove_all(where, UID) != []
    assert await remove_all(where, UID) == []
    assert server.there == {("ConfigMap", "other"): other}


def with_volume(**spec: Any) -> Any:
    model = Model(listing=listing(DATA), platform=remote(ONE), workload_namespace="twins")
    model.installation["spec"] |= spec
    return model.snapshot()


@pytest.mark.parametrize(
    ("policy", "asked", "stays"),
    [("Retain", False, True), ("Delete", True, False), ("Delete", False, True)],
)
async def test_volumes_go_only_where_both_the_policy_and_their_owner_say_so(
    policy: str, asked: bool, stays: bool
) -> None:
    """The last case: the policy became Retain, and that has not reached the cluster."""
    server, seen = Server(), with_volume(volumes=policy)
    where = place(server, Children("voorbeeldstad"))
    await apply(server, where, seen, decide(seen), SEAL)  # type: ignore[arg-type]
    await remove_all(where, UID, volumes=asked)
    assert set(server.there) == ({KEY} if stays else set())


async def test_a_refusal_to_grow_stops_nothing_else() -> None:
    class Refusing(Server):
        async def apply(self, resource: ResourceType, manifest: dict[str, Any], *, force: bool) -> dict[str, Any]:
            if resource.kind == KEY[0] and force:
                self.asked.append("refused")
                raise ClusterError(403, "the class does not grow")
            return await super().apply(resource, manifest, force=force)

    server, children, seen = Refusing(), Children("voorbeeldstad"), with_volume()
    await apply(server, place(server, children), seen, decide(seen), SEAL)  # type: ignore[arg-type]
    claim = server.there[KEY]
    claim |= {"status": {"phase": "Bound"}, "spec": claim["spec"] | {"volumeName": "pv-1"}}
    claim["metadata"]["resourceVersion"] = "1000"
    children.put(BY_KIND[KEY[0]], claim)
    model = Model(listing=listing(DATA | {"size": "2Gi"}), platform=remote(ONE), workload_namespace="twins")
    model.children = owned(children)
    seen, server.asked = model.snapshot(), []
    changes = await apply(server, place(server, children), seen, decide(seen), SEAL)  # type: ignore[arg-type]
    assert changes is not None
    (fault,) = changes.faults
    assert (fault.reason, fault.claim) == (Reason.VOLUME_NOT_GROWN, KEY[1])
    assert fault.refused is not None
    assert fault.refused.size == "2Gi"
    assert not changes.stopped
    assert server.asked.count("refused") == 1
