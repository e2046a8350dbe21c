"""Connections to cities' own clusters, with clusters in memory: nothing of one city's trouble reaches another."""

import asyncio
import ssl
from base64 import b64encode
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any

import pytest
import yaml
from plan.remote.test_identity import platform as platform_of
from plan.remote.test_identity import remote
from plan.remote.test_kubeconfig import FORBIDDEN, config, dump

from ddtas import names
from ddtas.api.platform import MunicipalityPlatform
from ddtas.cluster.remote import connection as module
from ddtas.cluster.remote.clusters import Clusters
from ddtas.cluster.remote.connection import Polling
from ddtas.cluster.rest.access import open_client
from ddtas.cluster.rest.resources import CHILDREN, ResourceType
from ddtas.cluster.rest.transport import Gate
from ddtas.errors import ClusterError, NotFound
from ddtas.plan.capabilities.needs import Fact
from ddtas.plan.reasons import Reason
from ddtas.plan.remote.kubeconfig import Access
from ddtas.plan.snapshot import Secret

KEY = ("voorbeeldstad", "oup")
ONE = "uid-1/twins"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(module, "_MAX_PAUSE_SECONDS", 0.02)
    monkeypatch.setattr(module, "_SYNC_SECONDS", 0.5)


class City:
    """A cluster in memory, and the client that reaches it."""

    def __init__(self) -> None:
        self.uids: dict[str, Any] = {"kube-system": "uid-1", "twins": "uid-t"}
        self.trouble: Exception | None = None
        self.looks = 0
        self.says = "1.34"
        self.refused_lists: ClusterError | None = None
        self.hidden: set[str] = set()
        self.objects: list[dict[str, Any]] = []
        self.capabilities: dict[str, Any] = {"storageclasses": ["disk"], "resourcequotas": []}
        self.asked: list[str] = []
        self.selectors: set[str] = set()
        self.closed = 0
        self.lists = 0
        self._events: list[asyncio.Queue[dict[str, Any]]] = []

    def _answer(self) -> None:
        if self.trouble is not None:
            raise self.trouble

    async def version(self) -> str:
        self.looks += 1
        self._answer()
        return self.says

    async def get(self, resource: ResourceType, namespace: str | None, name: str) -> dict[str, Any]:
        self._answer()
        if name in self.hidden:
            raise ClusterError(403, f"may not get {name}")
        if name not in self.uids:
            raise NotFound(404, f"no namespace {name}")
        uid = self.uids[name]
        return {"metadata": {"name": name, "uid": uid, "resourceVersion": "1"}}

    def _survey_answer(self, resource: ResourceType, namespace: str | None) -> dict[str, Any]:
        """An answer of the survey."""
        self.asked.append(f"{resource.plural} in {namespace}" if namespace else resource.plural)
        found = self.capabilities.get(resource.plural, ())
        if isinstance(found, BaseException):
            raise found
        return {"metadata": {"resourceVersion": "5"}, "items": [{"metadata": {"name": name}} for name in found]}

    async def pages(
        self, resource: ResourceType, namespace: str | None, selector: str = ""
    ) -> AsyncGenerator[dict[str, Any], None]:
        self._answer()
        if not selector:
            yield self._survey_answer(resource, namespace)
            return
        if self.refused_lists is not None:
            raise self.refused_lists
        self.selectors.add(selector)
        self.lists += 1
        assert namespace == "twins"
        items = self.objects if resource.kind == "ConfigMap" else []
        yield {"metadata": {"resourceVersion": "5"}, "items": items}

    async def watch(self, *_: Any) -> AsyncGenerator[dict[str, Any], None]:
        self._answer()
        queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._events.append(queue)
        while True:
            yield await queue.get()

    def send(self, event: dict[str, Any]) -> None:
        for queue in self._events:
            queue.put_nowait(event)

    async def close(self) -> None:
        self.closed += 1


class Hall:
    """Clusters, and what they told."""

    def __init__(self) -> None:
        self.changed: list[tuple[str, str]] = []
        self.children: list[tuple[str, str]] = []
        self.opened: list[Access] = []
        self.cities: dict[str, City] = {}
        self.wanted: frozenset[Fact] = frozenset()
        polling = Polling(0.02, 3600.0, lambda: self.wanted)
        self.clusters = Clusters(self._open, self.changed.append, self.children.append, polling)

    def _open(self, access: Access) -> Any:
        self.opened.append(access)
        gate = Gate(lambda _: None, ssl.create_default_context())
        return self.cities.setdefault(access.server, City()), gate

    def secrets(self, body: Any = None, **data: str) -> dict[str, Secret]:
        content = dump(config() if body is None else body)
        return {"city-cluster": Secret({"kubeconfig": b64encode(content).decode()} | data)}

    def ensure(self, known: str | None = None, secrets: dict[str, Secret] | None = None) -> Any:
        return self.clusters.ensure(platform_of(known), self.secrets() if secrets is None else secrets)

    @property
    def city(self) -> City:
        return next(iter(self.cities.values()))

    async def until(self, look: Callable[[], Any]) -> None:
        async with asyncio.timeout(60):
            while not look():  # noqa: ASYNC110
                await asyncio.sleep(0.005)

    async def reached(self, known: str | None = ONE) -> City:
        """A city that can be worked on."""
        self.ensure(known)
        await self.until(lambda: self.clusters.place(KEY))
        return self.city

    def reason(self) -> Reason:
        return self.clusters.observation(KEY).reason


@pytest.fixture
async def hall() -> AsyncIterator[Hall]:
    made = Hall()
    yield made
    await made.clusters.stop()


# ---- before there is a connection ----


@pytest.mark.parametrize("field", FORBIDDEN)
async def test_no_client_is_built_for_what_is_forbidden(hall: Hall, field: str) -> None:
    part, more = FORBIDDEN[field]
    seen = hall.ensure(secrets=hall.secrets(config(**{part: more})))
    assert seen.reason is Reason.KUBECONFIG_FORBIDDEN
    assert f"Secret city-cluster, key kubeconfig: its {part} has {field}" in seen.message
    assert hall.opened == []
    assert hall.clusters.place(KEY) is None


async def test_what_is_missing_is_named(hall: Hall) -> None:
    seen = hall.ensure(secrets={})
    assert seen.reason is Reason.KUBECONFIG_MISSING
    assert "Secret city-cluster, key kubeconfig" in seen.message
    assert names.LABEL_CREDENTIALS in seen.message
    assert hall.ensure(secrets={"city-cluster": Secret({"other": ""})}).reason is Reason.KUBECONFIG_MISSING
    assert hall.ensure(secrets={"city-cluster": Secret({"kubeconfig": "%"})}).reason is Reason.KUBECONFIG_INVALID


async def test_a_certificate_that_openssl_does_not_read_is_named(hall: Hall) -> None:
    body = config(cluster={"certificate-authority-data": b64encode(b"-----BEGIN CERTIFICATE-----\nx").decode()})
    hall.clusters._open = lambda access: open_client(access, lambda _: None, lambda *_: None)
    seen = hall.ensure(secrets=hall.secrets(body))
    assert seen.reason is Reason.KUBECONFIG_INVALID
    assert "cannot be read" in seen.message


async def test_a_local_platform_has_none(hall: Hall) -> None:
    body = remote()
    del body["spec"]["cluster"]
    assert hall.clusters.ensure(MunicipalityPlatform.parse(body), {}) is None


# ---- identity ----


async def test_nothing_is_watched_before_the_identity_is_written_down(hall: Hall) -> None:
    hall.ensure(None)
    await hall.until(lambda: hall.reason() is Reason.CLUSTER_REACHABLE)
    assert hall.clusters.observation(KEY).identities == (ONE, "uid-t/twins")
    assert KEY in hall.changed
    await asyncio.sleep(0.05)
    assert hall.clusters.place(KEY) is None
    assert hall.city.selectors == set()
    hall.clusters.approve(KEY, ONE)
    await hall.until(lambda: hall.clusters.place(KEY))
    assert hall.city.selectors == {f"{names.LABEL_PLATFORM}=platform-uid"}


async def test_the_namespace_identifies_where_kube_system_cannot_be_read(hall: Hall) -> None:
    hall.cities["https://api.city.example:6443"] = city = City()
    city.hidden = {"kube-system"}
    hall.ensure(None)
    await hall.until(lambda: hall.reason() is Reason.CLUSTER_REACHABLE)
    assert hall.clusters.observation(KEY).identities == ("uid-t/twins",)
    city.hidden.add("twins")
    await hall.until(lambda: hall.reason() is Reason.CLUSTER_UNAUTHORIZED)
    assert "the right to get namespace twins is missing" in hall.clusters.observation(KEY).message


async def test_another_cluster_behind_the_url_is_not_worked_on(hall: Hall) -> None:
    city = await hall.reached()
    place = hall.clusters.place(KEY)
    assert place is not None
    city.uids = {"kube-system": "uid-2", "twins": "uid-u"}
    with pytest.raises(ClusterError, match="another cluster"):
        await place.verify()
    assert hall.clusters.place(KEY) is None, "at once"
    await hall.until(lambda: hall.clusters.observation(KEY).identities == ("uid-2/twins", "uid-u/twins"))
    await asyncio.sleep(0.05)
    assert hall.clusters.place(KEY) is None
    hall.clusters.approve(KEY, "uid-2/twins")
    await hall.until(lambda: hall.clusters.place(KEY))


async def test_another_cluster_is_found_without_any_work_on_it(hall: Hall) -> None:
    city = await hall.reached()
    city.uids = {"kube-system": "uid-2", "twins": "uid-u"}
    await hall.until(lambda: hall.clusters.observation(KEY).identities[0] == "uid-2/twins")
    assert hall.clusters.place(KEY) is None


# ---- away and back ----


async def test_a_hiccup_is_not_told_but_nothing_is_done_meanwhile(hall: Hall, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FIRST_PAUSE_SECONDS", 0.2)
    city = await hall.reached()
    city.trouble = ClusterError(0, "no answer")
    await hall.until(lambda: hall.clusters.place(KEY) is None)
    assert hall.reason() is Reason.CLUSTER_REACHABLE
    city.trouble = None
    await hall.until(lambda: hall.clusters.place(KEY))


@pytest.mark.parametrize(
    ("trouble", "reason", "said"),
    [
        (ClusterError(0, "no answer"), Reason.CLUSTER_UNREACHABLE, "does not answer: what runs there runs on"),
        (ClusterError(0, "[SSL: CERTIFICATE_VERIFY_FAILED]"), Reason.CLUSTER_UNREACHABLE, "does not vouch for"),
        (ClusterError(401, "Unauthorized"), Reason.CLUSTER_UNAUTHORIZED, "Unauthorized: give the account its Role"),
        (ClusterError(503, "starting"), Reason.CLUSTER_UNREACHABLE, "does not answer as an API server does"),
        (TimeoutError(), Reason.CLUSTER_UNREACHABLE, "does not answer as an API server does"),
        (KeyError("major"), Reason.CLUSTER_UNREACHABLE, "does not answer as an API server does"),
        (RecursionError(), Reason.CLUSTER_UNREACHABLE, "does not answer as an API server does"),
    ],
    ids=repr,
)
async def test_away_and_back(hall: Hall, trouble: Exception, reason: Reason, said: str) -> None:
    city = await hall.reached()
    view = hall.clusters.place(KEY)
    city.trouble = trouble
    await hall.until(lambda: hall.reason() is reason)
    assert said in hall.clusters.observation(KEY).message
    assert hall.clusters.place(KEY) is None
    city.trouble = None
    hall.changed.clear()
    await hall.until(lambda: hall.clusters.place(KEY))
    assert hall.reason() is Reason.CLUSTER_REACHABLE
    assert hall.changed
    assert hall.clusters.place(KEY) != view, "what was known is found anew"


async def test_a_namespace_that_is_gone_is_named(hall: Hall) -> None:
    city = await hall.reached()
    del city.uids["twins"]
    await hall.until(lambda: hall.reason() is Reason.CLUSTER_UNAUTHORIZED)
    assert "has no namespace twins" in hall.clusters.observation(KEY).message


async def test_too_few_rights_to_watch_are_named(hall: Hall) -> None:
    hall.cities["https://api.city.example:6443"] = city = City()
    city.refused_lists = ClusterError(403, "jobs.batch is forbidden")
    hall.ensure(ONE)
    await hall.until(lambda: hall.reason() is Reason.CLUSTER_UNAUTHORIZED)
    assert "jobs.batch is forbidden" in hall.clusters.observation(KEY).message
    city.refused_lists = None
    await hall.until(lambda: hall.clusters.place(KEY))


async def test_a_city_that_refuses_is_not_asked_without_a_pause(hall: Hall, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FIRST_PAUSE_SECONDS", 0.1)
    monkeypatch.setattr(module, "_MAX_PAUSE_SECONDS", 0.1)
    hall.cities["https://api.city.example:6443"] = city = City()
    city.refused_lists = ClusterError(403, "jobs.batch is forbidden")
    hall.ensure(ONE)
    await asyncio.sleep(0.5)
    assert 1 <= city.looks <= 5


@pytest.mark.parametrize("said", ["", "1", "1.x", "1.34" + "0" * 500, "<script>.1"])
async def test_a_version_that_is_none_is_not_believed(hall: Hall, said: str) -> None:
    hall.cities["https://api.city.example:6443"] = city = City()
    city.says = said
    hall.ensure(ONE)
    await hall.until(lambda: hall.reason() is Reason.CLUSTER_UNREACHABLE)
    assert hall.clusters.observation(KEY).kubernetes_version == ""


@pytest.mark.parametrize("uid", [None, 7, "", "a/b", "u" * 65])
async def test_a_uid_that_is_none_is_not_believed(hall: Hall, uid: Any) -> None:
    hall.cities["https://api.city.example:6443"] = city = City()
    city.uids = {"kube-system": uid, "twins": uid}
    hall.ensure(ONE)
    await hall.until(lambda: hall.reason() is Reason.CLUSTER_UNREACHABLE)


async def test_a_city_that_is_away_stops_no_other(hall: Hall) -> None:
    await hall.reached()
    body = remote("uid-1/twins")
    body["metadata"]["name"] = "other"
    other = MunicipalityPlatform.parse(body)
    hall.cities["https://other.example"] = away = City()
    away.trouble = ClusterError(0, "no answer")
    hall.clusters.ensure(other, hall.secrets(config(cluster={"server": "https://other.example"})))
    key = ("voorbeeldstad", "other")
    await hall.until(lambda: hall.clusters.observation(key).reason is Reason.CLUSTER_UNREACHABLE)
    assert hall.clusters.place(KEY) is not None
    assert hall.clusters.place(key) is None
    with hall.clusters.slot(KEY) as first, hall.clusters.slot(KEY) as second, hall.clusters.slot(KEY) as third:
        assert (first, second, third) == (True, True, False), "there is room for two of one city"
        with hall.clusters.slot(key) as free:
            assert free, "and for others besides"
    with hall.clusters.slot(KEY) as free:
        assert free


# ---- its capabilities ----


async def test_a_city_is_asked_for_nothing_that_no_listing_asks_for(hall: Hall) -> None:
    city = await hall.reached()
    await hall.until(lambda: city.looks > 5)
    assert city.asked == []
    capabilities = hall.clusters.capabilities(KEY)
    assert capabilities is not None
    assert capabilities.dump() == {}


async def test_the_capabilities_of_a_city_are_looked_at_seldom_and_told(hall: Hall) -> None:
    hall.wanted = frozenset({Fact.STORAGE_CLASSES, Fact.QUOTAS})
    city = await hall.reached()
    await hall.until(lambda: hall.clusters.capabilities(KEY))
    capabilities = hall.clusters.capabilities(KEY)
    assert capabilities is not None
    assert capabilities.dump() == {"storageClasses": [{"name": "disk"}], "quotas": []}
    looks = city.looks
    await hall.until(lambda: city.looks > looks + 5)
    assert sorted(city.asked) == ["resourcequotas in twins", "storageclasses"], "once, for the one namespace"
    hall.changed.clear()
    hall.wanted |= {Fact.INGRESS_CLASSES}
    hall.clusters.refresh()
    await hall.until(lambda: hall.changed == [KEY])
    capabilities = hall.clusters.capabilities(KEY)
    assert capabilities is not None
    assert capabilities.ingress_classes == ()


async def test_it_is_not_asked_before_it_may_be_worked_on(hall: Hall) -> None:
    hall.wanted = frozenset({Fact.STORAGE_CLASSES})
    hall.ensure(None)
    await hall.until(lambda: hall.reason() is Reason.CLUSTER_REACHABLE)
    await asyncio.sleep(0.1)
    assert hall.city.asked == []
    assert hall.clusters.capabilities(KEY) is None
    hall.clusters.approve(KEY, ONE)
    await hall.until(lambda: hall.clusters.capabilities(KEY))


@pytest.mark.parametrize("trouble", [ClusterError(500, "oh"), TimeoutError(), ClusterError(0, "no answer")], ids=repr)
async def test_a_city_that_does_not_tell_its_capabilities_is_worked_on(hall: Hall, trouble: Exception) -> None:
    hall.wanted = frozenset({Fact.STORAGE_CLASSES})
    hall.cities["https://api.city.example:6443"] = city = City()
    city.capabilities["storageclasses"] = trouble
    await hall.reached()
    await hall.until(lambda: len(city.asked) > 2)  # again at each look
    assert hall.clusters.place(KEY) is not None
    capabilities = hall.clusters.capabilities(KEY)
    assert capabilities is not None
    assert capabilities.storage_classes is None
    city.capabilities["storageclasses"] = ["disk"]
    await hall.until(lambda: (seen := hall.clusters.capabilities(KEY)) is not None and seen.storage_classes)
    assert hall.clusters.capabilities(("voorbeeldstad", "other")) is None


# ---- children ----


def config_map(name: str, version: str, **labels: str) -> dict[str, Any]:
    marks = {names.LABEL_INSTALLATION: "flood", names.LABEL_PLATFORM: "platform-uid", names.LABEL_OWNER: "i"}
    metadata = {"name": name, "namespace": "twins", "uid": name, "resourceVersion": version, "labels": marks | labels}
    return {"metadata": metadata}


async def test_children_are_seen_and_their_installation_is_told(hall: Hall) -> None:
    hall.cities["https://api.city.example:6443"] = city = City()
    city.objects = [config_map("a", "3")]
    await hall.reached()
    place = hall.clusters.place(KEY)
    assert place is not None
    owner = ("voorbeeldstad", "flood")
    assert set(place.children.there(owner)) == {("ConfigMap", "a")}
    await hall.until(lambda: len(city._events) == len(CHILDREN))
    hall.children.clear()
    city.send({"type": "DELETED", "object": config_map("a", "6")})
    await hall.until(lambda: hall.children)
    assert hall.children == [owner]
    assert place.children.there(owner) == {}


async def test_an_event_that_makes_no_sense_ends_in_a_new_list(hall: Hall) -> None:
    hall.cities["https://api.city.example:6443"] = city = City()
    await hall.reached()
    place = hall.clusters.place(KEY)
    await hall.until(lambda: len(city._events) == len(CHILDREN))
    city.objects = [config_map("a", "3")]
    city.send({"type": "ADDED", "object": {"metadata": {}}})
    await hall.until(lambda: city.lists == 2 * len(CHILDREN))
    assert hall.clusters.place(KEY) == place
    assert place is not None
    assert set(place.children.there(("voorbeeldstad", "flood"))) == {("ConfigMap", "a")}
    assert hall.reason() is Reason.CLUSTER_REACHABLE


# ---- the Secret ----


async def test_a_rotated_kubeconfig_makes_a_new_client(hall: Hall) -> None:
    city = await hall.reached()
    hall.ensure(ONE)
    assert len(hall.opened) == 1, "the same content is the same client"
    hall.ensure(ONE, hall.secrets(config(user={"token": "another"})))
    assert hall.clusters.place(KEY) is None
    await hall.until(lambda: hall.clusters.place(KEY))
    assert [access.token for access in hall.opened] == ["do-not-show-this", "another"]
    await hall.until(lambda: city.closed == 1)


async def test_a_secret_that_is_gone_ends_the_connection(hall: Hall) -> None:
    city = await hall.reached()
    assert hall.ensure(ONE, {}).reason is Reason.KUBECONFIG_MISSING
    assert hall.clusters.place(KEY) is None
    await hall.until(lambda: city.closed == 1)


async def test_another_namespace_in_the_kubeconfig_is_not_approved(hall: Hall) -> None:
    await hall.reached()
    next(iter(hall.cities.values())).uids["other"] = "uid-o"
    hall.ensure(ONE, hall.secrets(config(context={"namespace": "other"})))
    await hall.until(lambda: hall.reason() is Reason.CLUSTER_REACHABLE)
    assert hall.clusters.observation(KEY).identities == ("uid-1/other", "uid-o/other")
    assert hall.clusters.place(KEY) is None


# ---- the connection itself ----


async def _server(answer: bytes, seen: list[bytes]) -> tuple[asyncio.Server, str]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    return server, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def _asked(answer: bytes, refusal: Callable[[str], str | None]) -> tuple[list[bytes], Gate, str]:
    seen: list[bytes] = []
    server, url = await _server(answer, seen)
    client, gate = open_client(Access(url, "twins", token="abc"), refusal, lambda *_: None)
    try:
        said = await client.version()
    except ClusterError as error:
        said = error.message
    finally:
        await client.close()
        await gate.connector.close()
        server.close()
    return seen, gate, said


def _http(body: bytes, status: str = "200 OK", more: str = "") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n{more}\r\n"
    return head.encode() + body


async def test_the_token_is_sent_and_no_proxy_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    seen, _, said = await _asked(_http(b'{"major": "1", "minor": "34"}'), lambda _: None)
    assert said == "1.34"
    assert b"authorization: bearer abc" in seen[0].lower()


async def test_a_refused_address_is_never_connected_to() -> None:
    seen, gate, _ = await _asked(_http(b"{}"), lambda address: "a loopback address")
    assert seen == []
    assert gate.refused == "127.0.0.1 (a loopback address)"


async def test_no_redirect_is_followed() -> None:
    elsewhere: list[bytes] = []
    server, url = await _server(_http(b'{"major": "1", "minor": "34"}'), elsewhere)
    _, _, said = await _asked(_http(b"", "302 Found", f"Location: {url}/\r\n"), lambda _: None)
    server.close()
    assert elsewhere == []
    assert "redirects" in said


async def test_an_endless_answer_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ddtas.cluster.rest.answers.VERSION_BYTES", 1000)
    _, _, said = await _asked(_http(b" " * 5000), lambda _: None)
    assert "over 1000 bytes" in said


async def test_a_refused_address_is_said_to_be_so(hall: Hall) -> None:
    gate = Gate(lambda _: None, ssl.create_default_context())
    gate.refused = "127.0.0.1 (a loopback address)"
    city = City()
    city.trouble = ClusterError(0, "no answer")
    hall.clusters._open = lambda access: (city, gate)  # type: ignore[assignment, return-value]
    hall.ensure(ONE)
    await hall.until(lambda: hall.reason() is Reason.CLUSTER_ADDRESS_FORBIDDEN)
    assert "127.0.0.1 (a loopback address)" in hall.clusters.observation(KEY).message


def test_the_example_that_a_city_applies_gives_what_the_operator_needs() -> None:
    """The rules are those that the chart gives at home, without the operator's own kinds, Events and Pods' owners."""
    from pathlib import Path

    root = Path(__file__).parents[4]
    chart = (root / "charts" / "ddtas-operator" / "templates" / "_helpers.tpl").read_text()
    text = chart.partition('define "ddtas.namespaceRules" -}}')[2].partition("{{- end }}")[0]

    def flat(rules: list[dict[str, Any]]) -> set[tuple[str, str, str]]:
        return {
            (g, r, v) for rule in rules for g in rule["apiGroups"] for r in rule["resources"] for v in rule["verbs"]
        }

    home = {rule for rule in flat(yaml.safe_load(text)) if rule[0] != "ddtas.nl" and rule[1] != "events"}
    documents = yaml.safe_load_all((root / "examples" / "remote" / "access.yaml").read_text())
    role = next(d for d in documents if d["kind"] == "Role")
    room = {("", "resourcequotas", "list"), ("", "limitranges", "list")}
    assert flat(role["rules"]) == home | room | {("", "namespaces", "get")}
