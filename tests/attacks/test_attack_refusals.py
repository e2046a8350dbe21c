"""What is refused at the door, and what is refused by name later: each tried by somebody whose role lets him ask."""

import base64
import copy
from pathlib import Path
from typing import Any

import cluster_apps as apps
import yaml
from attacks_actors import Actors, Role
from attacks_servers import EchoServer, RawServer
from cluster_city import City
from cluster_kit import KINDS, JsonObject, condition, eventually

PLATFORM, LISTING = KINDS["MunicipalityPlatform"], KINDS["AppListing"]
SOURCE, CREDENTIALS = "spec.dataSources.0", {"secretName": "gauge", "scheme": "Basic"}
VERSION = "spec.versions.0"

# Role, kind, path, value, and what the API server says of it.
AT_THE_DOOR: tuple[tuple[Role, str, str, Any, str], ...] = (
    # References that lead out of the namespace, or are none.
    (Role.MARKETPLACE, "Installation", "spec.platform", "other/oup", "spec.platform"),
    (Role.MARKETPLACE, "Installation", "spec.platform", "../oup", "spec.platform"),
    (Role.MARKETPLACE, "Installation", "spec.listing", "a/b", "spec.listing"),
    (Role.MARKETPLACE, "Installation", "spec.rollbackTo", "../../x", "spec.rollbackTo"),
    (Role.MARKETPLACE, "Installation", "spec.version", "latest", "spec.version"),
    (Role.MARKETPLACE, "Installation", "spec.bindings", [{"requirement": "series", "dataSource": "o/x"}], "dataSource"),
    (Role.MARKETPLACE, "Installation", "spec.namespace", "kube-system", "unknown field"),
    (Role.MARKETPLACE, "Installation", "metadata.name", "a" * 31, "30"),
    (Role.MARKETPLACE, "Installation", "metadata.name", "a.b", "metadata.name"),
    (
        Role.PLATFORM_TEAM,
        "MunicipalityPlatform",
        f"{SOURCE}.credentials",
        CREDENTIALS | {"secretName": "o/x"},
        "secretName",
    ),
    (
        Role.PLATFORM_TEAM,
        "MunicipalityPlatform",
        f"{SOURCE}.credentials",
        CREDENTIALS | {"namespace": "o"},
        "unknown field",
    ),
    (
        Role.PLATFORM_TEAM,
        "MunicipalityPlatform",
        "spec.cluster",
        {"kubeconfigSecret": {"name": "o/x"}},
        "kubeconfigSecret",
    ),
    (
        Role.PLATFORM_TEAM,
        "MunicipalityPlatform",
        "spec.cluster",
        {"kubeconfigSecret": {"name": "x", "namespace": "o"}},
        "unknown field",
    ),
    (Role.PLATFORM_TEAM, "MunicipalityPlatform", "metadata.name", "a.b", "metadata.name"),
    # Endpoints that are no data.
    (Role.PLATFORM_TEAM, "MunicipalityPlatform", f"{SOURCE}.endpoint", "file:///etc/passwd", "endpoint"),
    (Role.PLATFORM_TEAM, "MunicipalityPlatform", f"{SOURCE}.endpoint", "gopher://127.0.0.1/", "endpoint"),
    (
        Role.PLATFORM_TEAM,
        "MunicipalityPlatform",
        f"{SOURCE}.endpoint",
        "http://u:p@data.example/",
        "user name or password",
    ),
    (Role.PLATFORM_TEAM, "MunicipalityPlatform", f"{SOURCE}.endpoint", "http://a b/", "endpoint"),
    (Role.PLATFORM_TEAM, "MunicipalityPlatform", f"{SOURCE}.endpoint", "http://a/\r\nX: y", "endpoint"),
    (Role.PLATFORM_TEAM, "MunicipalityPlatform", f"{SOURCE}.kind", "exec", "kind"),
    (
        Role.PLATFORM_TEAM,
        "MunicipalityPlatform",
        f"{SOURCE}.credentials",
        {"secretName": "x", "scheme": "ApiKey", "header": "A: b\r\nHost"},
        "header",
    ),
    (
        Role.PLATFORM_TEAM,
        "MunicipalityPlatform",
        f"{SOURCE}.credentials",
        {"secretName": "x", "scheme": "Basic", "tokenUrl": "http://t.example/"},
        "tokenUrl",
    ),
    # Containers that ask for more than they may have.
    (
        Role.MARKET_MASTER,
        "AppListing",
        f"{VERSION}.components.0.securityContext",
        {"privileged": True},
        "unknown field",
    ),
    (Role.MARKET_MASTER, "AppListing", f"{VERSION}.components.0.hostNetwork", True, "unknown field"),
    (Role.MARKET_MASTER, "AppListing", f"{VERSION}.components.0.image", "a b", "image"),
    (
        Role.MARKET_MASTER,
        "AppListing",
        f"{VERSION}.components.0.env",
        [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "x", "key": "y"}}}],
        "unknown field",
    ),
    (
        Role.MARKET_MASTER,
        "AppListing",
        f"{VERSION}.components.0.volumes",
        [{"name": "d", "mountPath": "/d", "size": "1Gi", "hostPath": {"path": "/"}}],
        "unknown field",
    ),
    (Role.MARKET_MASTER, "AppListing", f"{VERSION}.validation.thresholds", [], "threshold"),
    (Role.MARKET_MASTER, "AppListing", f"{VERSION}.calibration.serviceAccountName", "admin", "unknown field"),
    (Role.MARKET_MASTER, "AppListing", "metadata.name", "a.b", "metadata.name"),
)


def _changed(body: JsonObject, path: str, value: Any) -> JsonObject:
    made = copy.deepcopy(body)
    *way, last = path.split(".")
    here: Any = made
    for step in way:
        here = here[int(step)] if isinstance(here, list) else here.setdefault(step, {})
    here[last] = value
    return made


def test_what_is_refused_at_the_door(city: City, actors: Actors) -> None:
    good = {
        "Installation": apps.installation(city.namespace, "flood", city.app),
        "MunicipalityPlatform": apps.platform(city.namespace, apps.source("https://data.example/a.csv")),
        "AppListing": apps.listing(city.app),
    }
    people = {role: actors(role) for role in {row[0] for row in AT_THE_DOOR}}
    for role, kind in {(row[0], row[1]) for row in AT_THE_DOOR}:
        assert people[role].server.dry_run(good[kind]) == "", f"{role} may make a good one"
    let = []
    for role, kind, path, value, says in AT_THE_DOOR:
        said = people[role].server.dry_run(_changed(good[kind], path, value))
        if says not in said or "HTTP 403" in said:
            let.append(f"{kind} {path}: {value}: {said or 'was let in'}")
    assert let == []


# ---- addresses ----

# Ways to say 127.0.0.2, where the operator of this test may not go, and classes that no probe may reach.
TRAP = (
    "127.0.0.2",
    "127.2",
    "2130706434",
    "0x7f000002",
    "0x7f.0.0.2",
    "0177.0.0.2",
    "[::ffff:127.0.0.2]",
    "[::ffff:7f00:2]",
    "[64:ff9b::7f00:2]",
)
NOWHERE = (
    "0.0.0.0",
    "[::]",
    "[::1]",
    "169.254.169.254",
    "[fe80::1]",
    "[fd00:ec2::254]",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "224.0.0.1",
    "[ff02::1]",
    "255.255.255.255",
    "240.0.0.1",
    "[2002:7f00:2::]",
    "[2001:0:7f00:2::]",
)


def test_no_source_leads_to_where_probes_may_not_go(city: City, actors: Actors) -> None:
    """By each protocol, by a token URL, and by a redirect from a server that may be asked."""
    trap = RawServer(lambda connection, server: None, host="127.0.0.2")
    echo = EchoServer()
    echo.elsewhere = f"http://127.0.0.2:{trap.port}"
    team = actors(Role.PLATFORM_TEAM).server
    team.apply(apps.credentials(city.namespace, "oauth", **{"client-id": "i", "client-secret": "s" * 12}))
    places = [f"{host}:{trap.port}" for host in TRAP] + list(NOWHERE)
    sources = [apps.source(f"http://{place}/a.csv", f"http{n}") for n, place in enumerate(places)]
    at = f"127.0.0.2:{trap.port}"
    token = {"secretName": "oauth", "scheme": "OAuth2ClientCredentials", "tokenUrl": f"http://{at}/token"}
    sources += [
        apps.source(f"mqtt://{at}", "mqtt", kind="mqtt", physicalName="#"),
        apps.source(f"postgresql://{at}/d?sslmode=disable&user=u", "postgresql", kind="postgresql", physicalName="a.b"),
        apps.source(f"http://{at}/bucket/a.csv", "s3", kind="s3"),
        apps.source(f"http://{at}/", "wfs", kind="wfs", physicalName="a:b"),
        apps.source(f"http://{at}/tileset.json", "tiles", kind="3d-tiles"),
        apps.source(echo.url("/302.csv"), "redirect"),
        apps.source(echo.url("/307.csv"), "redirect7"),
        apps.source(echo.url("/column.csv"), "token", credentials=token),
    ]
    city.start(probe_allowed_ranges="127.0.0.1/32")
    team.apply(apps.platform(city.namespace, *sources))

    def judged() -> dict[str, JsonObject] | None:
        found = city.cluster.get(PLATFORM, city.namespace, "oup").get("status", {}).get("dataSources", [])
        seen = {s["name"]: s for s in found if s["reason"] != "Probing"}
        return seen if len(seen) == len(sources) else None

    said = city.cluster.wait("verdict on each source", judged, city.namespace)
    trap.stop()
    echo.stop()
    let = {s["endpoint"]: said[s["name"]] for s in sources if said[s["name"]]["reason"] != "AddressForbidden"}
    assert let == {}
    assert trap.connections == 0


# ---- kubeconfigs ----


def test_kubeconfigs_that_do_more_than_lead_to_a_cluster_are_refused(
    city: City, actors: Actors, tmp_path: Path
) -> None:
    """Nothing is run, read or asked for; each is told by its field, and not with its value."""
    ran = tmp_path / "ran"
    trap = RawServer(lambda connection, server: None)
    server = f"https://127.0.0.1:{trap.port}"
    pem = base64.b64encode(b"-----BEGIN CERTIFICATE-----\n").decode()
    program = {"apiVersion": "client.authentication.k8s.io/v1", "command": "touch", "args": [str(ran)]}
    token = {"token": "t" * 20}
    ways: dict[str, tuple[JsonObject, JsonObject, str]] = {
        "exec": ({}, {"exec": program | {"interactiveMode": "Never"}}, "exec"),
        "auth-provider": ({}, {"auth-provider": {"name": "gcp", "config": {"cmd-path": "touch"}}}, "auth-provider"),
        "token-file": ({}, {"tokenFile": "/var/run/secrets/kubernetes.io/serviceaccount/token"}, "tokenFile"),
        "key-file": ({}, token | {"client-key": "/etc/shadow"}, "client-key"),
        "authority-file": ({"certificate-authority": "/etc/passwd"}, token, "certificate-authority"),
        "proxy": ({"proxy-url": server}, token, "proxy-url"),
        "unchecked": ({"insecure-skip-tls-verify": True}, token, "insecure-skip-tls-verify"),
        "as": ({}, token | {"as": "system:admin"}, "as"),
        "as-groups": ({}, token | {"as-groups": ["system:masters"]}, "as-groups"),
        "password": ({}, {"username": "admin", "password": "hunter22hunter"}, "password"),
        "http": ({"server": server.replace("https", "http")}, token, "not https"),
    }
    team = actors(Role.PLATFORM_TEAM).server
    city.start()
    for name, (cluster, user, _) in ways.items():
        config = {
            "clusters": [{"name": "c", "cluster": {"server": server, "certificate-authority-data": pem} | cluster}],
            "users": [{"name": "u", "user": user}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u", "namespace": "twins"}}],
            "current-context": "x",
        }
        team.apply(apps.credentials(city.namespace, name, kubeconfig=yaml.safe_dump(config)))
        spec = {"cluster": {"kubeconfigSecret": {"name": name}}}
        team.apply(apps.platform(city.namespace, apps.source("https://data.example/"), name=name, **spec))
    for name, (_, _, field) in ways.items():

        def judged(name: str = name) -> JsonObject | None:
            found = condition(city.cluster.get(PLATFORM, city.namespace, name), "ClusterReachable")
            return found if found.get("status") == "False" else None

        said = eventually(f"verdict on {name}", judged)
        assert said["reason"] == "KubeconfigForbidden", said
        assert field in said["message"], said
        assert not any(part in said["message"] for part in ("hunter22", "/etc", str(ran), "t" * 20))
    trap.stop()
    assert not ran.exists()
    assert trap.connections == 0


# ---- the store ----

_POD = """
apiVersion: apps/v1
kind: Deployment
metadata: {{name: "{{{{ prefix }}}}-x"}}
spec:
  selector: {{matchLabels: {{a: b}}}}
  template:
    metadata: {{labels: {{a: b}}}}
    spec:
      {0}
      containers: [{{name: c, image: "localhost/nothing:1", {1}}}]
"""
TEMPLATES = {
    "role": "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: '{{ prefix }}-x'}",
    "secret": "apiVersion: v1\nkind: Secret\nmetadata: {name: '{{ prefix }}-x'}",
    "installation": "apiVersion: ddtas.nl/v1alpha1\nkind: Installation\nmetadata: {name: '{{ prefix }}-x'}",
    "elsewhere": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: '{{ prefix }}-x', namespace: kube-system}",
    "another-name": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: kube-root-ca.crt}",
    "owner": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: '{{ prefix }}-x', ownerReferences: []}",
    "host": _POD.format("hostNetwork: true", ""),
    "account": _POD.format("serviceAccountName: admin", ""),
    "volume": _POD.format("volumes: [{name: v, hostPath: {path: /}}]", ""),
    "claim": _POD.format("volumes: [{name: v, persistentVolumeClaim: {claimName: other-web.data}}]", ""),
    "privileged": _POD.format("", "securityContext: {privileged: true}"),
    "another-secret": _POD.format("", "envFrom: [{secretRef: {name: water-board}}]"),
}


def test_what_the_store_may_not_bring_into_a_city(city: City, actors: Actors) -> None:
    """Templates that make what an app may not have; versions that were withdrawn; listings that nobody approved."""
    market, backend = actors(Role.MARKET_MASTER).server, actors(Role.MARKETPLACE).server
    versions = [
        apps.version(f"1.{number}.0", templates=[{"name": "evil", "manifest": manifest}])
        for number, manifest in enumerate(TEMPLATES.values())
    ]
    gone = apps.version("2.0.0", state="Withdrawn")
    city.start()
    city.platform()
    market.apply(apps.listing(city.app, *versions, gone))
    for number, name in enumerate(TEMPLATES):
        backend.apply(apps.installation(city.namespace, name, city.app, version=f"1.{number}.0"))
    backend.apply(apps.installation(city.namespace, "withdrawn", city.app, version="2.0.0"))
    for name in TEMPLATES:
        city.known(name).wait_for("Ready", "False", "TemplateForbidden")
    city.known("withdrawn").wait_for("Ready", "False", "VersionWithdrawn")
    city.settled()
    assert [left for left in city.leftovers() if left.split()[0] in ("Deployment", "Job", "Service")] == []

    review = [{"criterion": c, "score": 8 if n else 1, "reviewedOn": "2026-06-01"} for n, c in enumerate(apps.CRITERIA)]
    market.apply(apps.listing(city.app, apps.version(), review=review))
    backend.apply(apps.installation(city.namespace, "unapproved", city.app))
    city.known("unapproved").wait_for("Ready", "False", "ListingNotApproved")
    # Whoever installs cannot approve: neither in the store, nor in the status of the listing.
    path = LISTING.path(None, city.app)
    patch = "application/merge-patch+json"
    assert backend.raw("PATCH", path, {"spec": {"review": []}}, patch)[0] == 403
    assert backend.raw("PATCH", f"{path}/status", {"status": {}}, patch)[0] == 403


def test_products_that_only_one_side_names_are_no_sources(city: City, actors: Actors, neighbour: str) -> None:
    """A platform that accepts what nobody offered it has nothing; the name does not even show whether it is there."""
    city.start()
    city.store()
    accepts = [
        {"name": "wanted", "namespace": neighbour, "installation": "flood", "product": "forecast"},
        {"name": "system", "namespace": "kube-system", "installation": "kube-dns", "product": "dns"},
    ]
    team = actors(Role.PLATFORM_TEAM).server
    team.apply(apps.platform(city.namespace, apps.source(city.supplier.url()), accepts=accepts))
    city.install(bindings=[{"requirement": "series", "dataSource": "wanted"}])
    flood = city.known()
    eventually("verdict", lambda: condition(flood.body(), "DataBound").get("status") == "False")
    city.settled_but_for_looks(1.5)
    found = city.cluster.get(PLATFORM, city.namespace, "oup")["status"]["dataSources"]
    wanted, unknown = (next(s for s in found if s["name"] == name) for name in ("wanted", "system"))
    assert wanted["state"] == unknown["state"] == "Unreachable"
    assert wanted["reason"] == unknown["reason"]
    assert flood.children(KINDS["Secret"]) == []
