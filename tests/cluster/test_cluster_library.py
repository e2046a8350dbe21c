"""The layer between the plan and the API server, against a real one: owned fields, informer, apply, Lease."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import cluster_apps as apps
import pytest
from cluster_kit import KINDS, ApiServer, JsonObject
from kubernetes.aio import config
from kubernetes.aio.client import ApiClient, Configuration

from ddtas import names
from ddtas.api.evidence import Evidence
from ddtas.api.installation import Installation, Windows
from ddtas.api.listing import Version
from ddtas.api.platform import DataSource, Municipality, MunicipalityPlatformSpec
from ddtas.api.traffic import Call
from ddtas.cluster.memory import facts
from ddtas.cluster.memory.fields import owned_digest
from ddtas.cluster.memory.informer import Informer
from ddtas.cluster.memory.world import World
from ddtas.cluster.rest.bounds import CITY
from ddtas.cluster.rest.client import Client
from ddtas.cluster.rest.leader import LEASE, LEASE_NAME, Election
from ddtas.cluster.rest.resources import BY_KIND, INSTALLATION, ResourceType
from ddtas.data.delivery.order import Network
from ddtas.data.delivery.table import Table
from ddtas.data.network import Surroundings
from ddtas.errors import ClusterError, Conflict, NotFound, TooLarge
from ddtas.plan.children.desired import Desired, Owner
from ddtas.plan.children.diff import desired_digest
from ddtas.plan.children.manifests import Renderer
from ddtas.plan.children.network_policy import Reached, Traffic
from ddtas.plan.children.wiring import Wiring
from ddtas.plan.products import Ref
from ddtas.plan.revision import BoundSource, Revision, RevisionInputs
from ddtas.plan.runs.evidence import CALIBRATE, VALIDATE
from ddtas.plan.snapshot import Secret

CONFIG_MAP, POD = KINDS["ConfigMap"], KINDS["Pod"]


@pytest.fixture
async def client(cluster: ApiServer) -> AsyncIterator[Client]:
    """The operator's own client."""
    configuration = Configuration()
    await config.load_kube_config(config_file=cluster.kubeconfig, client_configuration=configuration)
    made = Client(ApiClient(configuration=configuration))
    yield made
    await made.close()


async def within(seconds: float, look: Callable[[], Any]) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(seconds):
        while not look():  # noqa: ASYNC110 - what is looked at tells nobody
            await asyncio.sleep(0.05)


# ---- owned fields ----

BARE = apps.version()
BARE["components"][0] = {k: v for k, v in BARE["components"][0].items() if k not in ("ports", "readiness", "args")}
RICH = apps.version()
RICH["components"] = [
    RICH["components"][0]
    | {
        "command": ["run", "--now"],
        "env": [{"name": "A", "value": "1"}, {"name": "EMPTY", "value": ""}, {"name": "DDTAS_CONFIG", "value": "/x"}],
        "ports": [{"name": "http", "port": 8080}, {"name": "admin", "port": 80}],
        "resources": {
            "requests": {"cpu": "0.5", "memory": "0.5Gi"},
            "limits": {"cpu": "1000m", "memory": "1048576Ki"},
        },
        "replicas": 2,
    },
    RICH["components"][0] | {"name": "second", "image": f"localhost/nothing@sha256:{'0' * 64}"},
]
RICH["calibration"] |= {"timeoutSeconds": 60, "retries": 2, "env": [{"name": "B", "value": "=: {}"}]}


CREDENTIALS = {"secretName": "gauge", "scheme": "Basic"}


def traffic(version: Version, source: DataSource, namespace: str) -> Traffic:
    """Each form of a rule."""
    egress = [{"name": "range", "cidr": "10.0.0.0/8", "ports": [443]}, {"name": "any", "host": "*", "ports": [443]}]
    ingress = [{"name": "gateway", "namespace": "gateways"}, {"name": "balancer", "cidr": "192.0.2.0/24"}]
    more = {"egress": egress, "ingress": ingress, "nameServers": ["169.254.20.10"]}
    platform = MunicipalityPlatformSpec.model_validate(apps.platform(namespace, **more)["spec"])  # type: ignore[arg-type]
    near = source.model_copy(update={"endpoint": f"http://gauge.{namespace}.svc/"})
    product = source.model_copy(update={"endpoint": "http://other-web.gouda.svc:8080/"})
    around = Surroundings(
        forbidden=(ip_network("10.1.2.3/32"),), inside=(ip_network("10.96.0.0/16"),), operator="ddtas-system"
    )
    call = {"host": "api.example", "ports": [443], "reason": "What."}
    return Traffic(
        surroundings=around,
        namespace=namespace,
        platform=platform,
        version=version.model_copy(update={"egress": (Call.model_validate(call),)}),
        sources=(Reached(source), Reached(near), Reached(product, Ref("gouda", "other"))),
        ports=frozenset({(8080, "TCP"), (53, "UDP")}),
        offered=frozenset({8080}),
        recipients=("gouda",),
    )


TABLE = Table.model_validate({"columns": [{"name": "date", "type": "date", "from": "dag"}], "time": "date"})


def rendered(version: JsonObject, owner: Owner, table: Table | None) -> list[Desired]:
    """One of everything that the plan can ask for."""
    source = DataSource.model_validate(apps.source("http://data.example/", credentials=CREDENTIALS))
    secret = Secret({"username": "bWU=", "password": "c2VjcmV0"})
    wiring = [Wiring("series", source, secret)]
    inputs = RevisionInputs(
        listing="app",
        version=Version.model_validate(version),
        municipality=Municipality(name="Proefstad", code="GM9998"),
        parameters={"objective": "NSE", "depth": 2.0, "share": 0.1, "big": 1e22, "on": True},
        bindings=(BoundSource(requirement="series", data_source="gauge", contract_version="1.0.0", table=table),),
        windows=Windows.model_validate({"calibration": apps.CALIBRATION, "validation": apps.VALIDATION}),
    )
    renderer = Renderer(owner, Revision.of(inputs), "registry.example/ddtas-runner:1")
    run = {"outcome": "Passed", "reason": "Passed", "message": "done", "job": "j"}
    evidence = Evidence.model_validate(
        run | {"parameters": [{"name": "depth", "value": "1.5"}], "metrics": [{"name": "NSE", "value": "0.8"}]}
    )
    return [
        renderer.record(),
        renderer.config(),
        *renderer.bindings(wiring),
        *renderer.order(wiring, Network(forbidden=("10.0.0.0/8",), domain="cluster.local")),
        renderer.network_policy(traffic(inputs.version, source, owner.namespace)),
        renderer.calibrated(evidence),
        renderer.evidence(evidence, evidence),
        renderer.job(CALIBRATE, inputs.version.calibration),
        renderer.job(VALIDATE, inputs.version.validation),
        *(renderer.deployment(component, "digest") for component in inputs.version.components),
        *renderer.services(),
    ]


@pytest.fixture
def owner(cluster: ApiServer, space: str) -> Owner:
    """An Installation that is there: the garbage collector would remove what belongs to nobody."""
    cluster.apply(apps.installation(space, "flood", "app"))
    uid = cluster.get(INSTALLATION, space, "flood")["metadata"]["uid"]
    return Owner("flood", space, uid)


@pytest.mark.parametrize(
    ("version", "table"),
    [pytest.param(BARE, None, id="bare"), pytest.param(RICH, None, id="rich"), pytest.param(RICH, TABLE, id="files")],
)
async def test_what_was_applied_is_no_drift_and_what_others_change_is(
    client: Client, cluster: ApiServer, owner: Owner, version: JsonObject, table: Table | None
) -> None:
    for desired in rendered(version, owner, table):
        kind, name = desired.key
        resource, place = BY_KIND[kind], (owner.namespace, name)
        live = await client.apply(resource, desired.manifest, force=False)
        wanted = desired_digest(desired.manifest)
        assert owned_digest(live) == wanted, f"{kind} {name}: it would be sent again and again"
        assert facts.child(kind, live).applied == wanted
        assert facts.owner(live) == (owner.namespace, owner.name)
        again = await client.apply(resource, desired.manifest, force=False)
        assert again["metadata"]["resourceVersion"] == live["metadata"]["resourceVersion"] or kind in (
            "Job",
            "Deployment",
        )

        label = names.LABEL_REVISION
        path = f"{resource.path(*place)}?fieldManager=somebody"
        added = {"metadata": {"labels": {"mine": "x"}, "annotations": {"mine": "x"}}}
        assert owned_digest(cluster.request("PATCH", path, added, "application/merge-patch+json")) == wanted
        edit = {"metadata": {"labels": {label: "edited"}}}
        assert owned_digest(cluster.request("PATCH", path, edit, "application/merge-patch+json")) != wanted
        assert owned_digest(await client.apply(resource, desired.manifest, force=True)) == wanted

        claim = {k: desired.manifest[k] for k in ("apiVersion", "kind")}
        same = claim | {"metadata": {"name": name, "labels": {label: desired.manifest["metadata"]["labels"][label]}}}
        path = f"{resource.path(*place)}?fieldManager=thief&force=true"
        shared = cluster.request("PATCH", path, same, "application/apply-patch+yaml")
        assert owned_digest(shared) == wanted, "two may own a field that has one value"
        other = claim | {"metadata": {"name": name, "labels": {label: "stolen"}}}
        assert owned_digest(cluster.request("PATCH", path, other, "application/apply-patch+yaml")) != wanted
        assert owned_digest(await client.apply(resource, desired.manifest, force=True)) == wanted


async def test_a_record_is_read_back_as_it_was(client: Client, owner: Owner) -> None:
    """Go writes numbers in its own way: the id of the revision must survive that."""
    record = rendered(RICH, owner, None)[0]
    live = await client.apply(BY_KIND["ControllerRevision"], record.manifest, force=False)
    data = facts.child("ControllerRevision", live).data
    assert f"flood-{RevisionInputs.model_validate_json(data).id}" == record.key[1]


async def test_an_object_that_we_never_applied_has_no_digest(client: Client, cluster: ApiServer, space: str) -> None:
    body = {"metadata": {"name": "theirs", "namespace": space}, "data": {"a": "1"}}
    assert owned_digest(cluster.request("POST", CONFIG_MAP.path(space), body)) == ""
    made = await client.create(
        BY_KIND["ConfigMap"], body | {"kind": "ConfigMap", "metadata": {"name": "x", "namespace": space}}
    )
    assert owned_digest(made) == "", "created is not applied"


# ---- client ----


async def test_what_the_client_makes_of_refusals(client: Client, cluster: ApiServer, space: str) -> None:
    with pytest.raises(NotFound) as missing:
        await client.get(CONFIG_MAP, space, "nothing")
    assert missing.value.status == 404
    body = config_map(space, "one")
    cluster.apply(body)
    with pytest.raises(Conflict, match="already exists"):
        await client.create(CONFIG_MAP, body)
    with pytest.raises(Conflict, match=r"conflict with \"e2e\""):
        await client.apply(CONFIG_MAP, config_map(space, "one", "2"), force=False)
    with pytest.raises(ClusterError) as invalid:
        await client.create(CONFIG_MAP, config_map(space, "Not valid"))
    assert invalid.value.status == 422
    live = await client.get(CONFIG_MAP, space, "one")
    await client.delete(CONFIG_MAP, space, "one", "another-uid")
    assert (await client.get(CONFIG_MAP, space, "one"))["metadata"]["uid"] == live["metadata"]["uid"]
    await client.delete(CONFIG_MAP, space, "one", live["metadata"]["uid"])
    await client.delete(CONFIG_MAP, space, "one", live["metadata"]["uid"])
    with pytest.raises(NotFound):
        await client.get(CONFIG_MAP, space, "one")


async def test_requests_are_counted(client: Client, space: str) -> None:
    seen: list[tuple[str, str, int]] = []
    counting = Client(client.api, lambda *request: seen.append(request))
    async for _ in counting.pages(CONFIG_MAP, space):
        pass
    with pytest.raises(NotFound):
        await counting.get(POD, space, "nothing")
    assert seen == [("list", "ConfigMap", 200), ("get", "Pod", 404)]


async def test_the_version(client: Client) -> None:
    major, minor = (await client.version()).split(".")
    assert (int(major), int(minor)) >= (1, 30)


# ---- informer ----

LABEL = names.LABEL_INSTALLATION


class Seen:
    """What an informer told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def on_object(self, _: ResourceType, body: JsonObject) -> None:
        self.told.append(f"{body['metadata']['name']}={body['data']['v']}")

    def on_gone(self, _: ResourceType, namespace: str, name: str, version: str) -> None:
        self.told.append(f"-{name}")


def config_map(space: str, name: str, value: str = "1", **labels: str | None) -> JsonObject:
    """A small object with our label."""
    metadata = {"name": name, "namespace": space, "labels": {LABEL: "flood"} | labels}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"v": value}}


async def test_an_informer_keeps_up(client: Client, cluster: ApiServer, space: str) -> None:
    seen = Seen()
    cluster.apply(
        config_map(space, "first"), config_map(space, "unlabelled") | {"metadata": {"name": "u", "namespace": space}}
    )
    informer = Informer(client, CONFIG_MAP, space, LABEL, seen.on_object, seen.on_gone)
    task = asyncio.create_task(informer.run())
    async with asyncio.timeout(20):
        await informer.synced.wait()
    assert seen.told == ["first=1"]
    cluster.apply(config_map(space, "second"))
    cluster.apply(config_map(space, "first", "2"))
    await within(20, lambda: len(seen.told) == 3)
    cluster.merge(CONFIG_MAP, space, "second", {"metadata": {"labels": {LABEL: None}}})
    cluster.delete(CONFIG_MAP, space, "first")
    await within(20, lambda: len(seen.told) == 5)
    assert seen.told == ["first=1", "second=1", "first=2", "-second", "-first"]
    task.cancel()


async def test_a_long_list_comes_in_pages(
    client: Client, cluster: ApiServer, space: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for bound in ("FIRST_PAGE", "LARGEST_PAGE"):
        monkeypatch.setattr(f"ddtas.cluster.rest.client.{bound}", 2)
    cluster.apply(*(config_map(space, f"c-{n}") for n in range(5)))
    pages = [page async for page in client.pages(CONFIG_MAP, space, LABEL)]
    assert [len(page["items"]) for page in pages] == [2, 2, 1]
    assert len({page["metadata"]["resourceVersion"] for page in pages}) == 1, "all of one moment"
    bounded = Client(client.api, bounds=replace(CITY, objects=4))
    with pytest.raises(TooLarge, match="more than 4 configmaps"):
        [page async for page in bounded.pages(CONFIG_MAP, space, LABEL)]

    seen = Seen()
    task = asyncio.create_task(Informer(client, CONFIG_MAP, space, LABEL, seen.on_object, seen.on_gone).run())
    await within(20, lambda: len(seen.told) == 5)
    cluster.delete(CONFIG_MAP, space, "c-4")
    await within(20, lambda: seen.told[5:] == ["-c-4"])
    task.cancel()


class Outdated(Client):
    """Its first watch is said to be too old: an API server that was just started forgets nothing."""

    def __init__(self, client: Client, before_second_list: Callable[[], None]) -> None:
        super().__init__(client.api)
        self.lists = 0
        self._between = before_second_list

    async def pages(
        self, resource: ResourceType, namespace: str | None, selector: str = ""
    ) -> AsyncGenerator[JsonObject, None]:
        self.lists += 1
        if self.lists == 2:
            self._between()
        async for page in super().pages(resource, namespace, selector):
            yield page

    async def watch(
        self, resource: ResourceType, namespace: str | None, selector: str, resource_version: str
    ) -> AsyncGenerator[JsonObject, None]:
        if self.lists == 1:
            yield {"type": "ERROR", "object": {"kind": "Status", "code": 410, "message": "too old resource version"}}
        async for event in super().watch(resource, namespace, selector, resource_version):
            yield event


async def test_an_informer_survives_an_expired_watch_and_tells_what_went_away_meanwhile(
    client: Client, cluster: ApiServer, space: str
) -> None:
    seen = Seen()
    cluster.apply(*(config_map(space, name) for name in ("stays", "changes", "goes")))

    def meanwhile() -> None:
        cluster.delete(CONFIG_MAP, space, "goes")
        cluster.apply(config_map(space, "changes", "2"), config_map(space, "comes"))

    outdated = Outdated(client, meanwhile)
    task = asyncio.create_task(Informer(outdated, CONFIG_MAP, space, LABEL, seen.on_object, seen.on_gone).run())
    await within(30, lambda: "-goes" in seen.told)
    assert sorted(seen.told[:3]) == ["changes=1", "goes=1", "stays=1"]
    assert sorted(seen.told[3:]) == ["-goes", "changes=2", "comes=1"], "what is as it was is not told again"
    cluster.apply(config_map(space, "stays", "3"))
    await within(30, lambda: seen.told[-1] == "stays=3")
    assert outdated.lists == 2, "the second watch goes on"
    task.cancel()


class Cut(Client):
    """Its first watch breaks off after one event."""

    def __init__(self, client: Client) -> None:
        super().__init__(client.api)
        self.watches = 0
        self.lists = 0

    async def pages(
        self, resource: ResourceType, namespace: str | None, selector: str = ""
    ) -> AsyncGenerator[JsonObject, None]:
        self.lists += 1
        async for page in super().pages(resource, namespace, selector):
            yield page

    async def watch(
        self, resource: ResourceType, namespace: str | None, selector: str, resource_version: str
    ) -> AsyncGenerator[JsonObject, None]:
        self.watches += 1
        async for event in super().watch(resource, namespace, selector, resource_version):
            yield event
            if self.watches == 1:
                raise ClusterError(0, "cut")


async def test_a_watch_that_breaks_off_goes_on_where_it_was(client: Client, cluster: ApiServer, space: str) -> None:
    seen, cut = Seen(), Cut(client)
    informer = Informer(cut, CONFIG_MAP, space, LABEL, seen.on_object, seen.on_gone)
    task = asyncio.create_task(informer.run())
    async with asyncio.timeout(20):
        await informer.synced.wait()
    cluster.apply(config_map(space, "a"), config_map(space, "b"))
    cluster.delete(CONFIG_MAP, space, "a")
    await within(30, lambda: len(seen.told) == 3)
    assert seen.told == ["a=1", "b=1", "-a"]
    assert (cut.watches, cut.lists) == (2, 1)
    task.cancel()


# ---- world ----


async def test_an_older_state_never_replaces_a_newer_one(client: Client, cluster: ApiServer, space: str) -> None:
    cluster.apply(apps.installation(space, "flood", "app"))
    old = cluster.get(INSTALLATION, space, "flood")
    cluster.merge(INSTALLATION, space, "flood", {"spec": {"suspend": True}})
    new = cluster.get(INSTALLATION, space, "flood")
    world = World()
    assert world.installations.put(new)
    assert not world.installations.put(old)
    known = world.installations.get((space, "flood"))
    assert isinstance(known, Installation)
    assert known.spec.suspend


# ---- Lease ----


class Candidate:
    """One that would lead."""

    def __init__(self, client: Client, space: str, name: str) -> None:
        self.leads, self.lost = False, False
        self.task = asyncio.create_task(Election(client, space, name).run(self._on_leading, self._on_lost))

    def _on_leading(self) -> None:
        self.leads = True

    def _on_lost(self) -> None:
        self.lost = True

    async def end(self) -> None:
        """As a process that is told to stop."""
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


async def test_one_leads_and_the_other_follows_at_once_when_the_lease_is_given_back(client: Client, space: str) -> None:
    first = Candidate(client, space, "first")
    await within(20, lambda: first.leads)
    second = Candidate(client, space, "second")
    await asyncio.sleep(2)
    assert not second.leads
    await first.end()
    assert (await client.get(LEASE, space, LEASE_NAME))["spec"]["holderIdentity"] == ""
    await within(10, lambda: second.leads)
    lease = await client.get(LEASE, space, LEASE_NAME)
    assert lease["spec"]["holderIdentity"] == "second"
    assert lease["spec"]["leaseTransitions"] == 2
    assert lease["spec"]["leaseDurationSeconds"] == 15
    assert not first.lost
    await second.end()


async def test_of_two_that_try_at_once_one_leads(client: Client, space: str) -> None:
    candidates = [Candidate(client, space, f"candidate-{n}") for n in range(5)]
    await within(20, lambda: any(c.leads for c in candidates))
    await asyncio.sleep(1)
    assert [c.leads for c in candidates].count(True) == 1
    for candidate in candidates:
        await candidate.end()
