"""Who reaches whom: tried from within the containers, on a node that enforces NetworkPolicies."""

import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlencode

import e2e_apps as apps
import pytest
from e2e_city import City
from e2e_kit import KINDS, POD, JsonObject, Twin, evidence

from ddtas_dev.layout import NODE_IP

# Addresses that this machine gets for the time of the tests: a public one (of a range for documents), a private one.
PUBLIC, PRIVATE = "203.0.113.7", "10.99.0.7"
PORT, OTHER_PORT = 18443, 18444

# Says what becomes of a connection: open, or closed (nothing came back), or no name.
TRY = """
import socket
def attempt(host, port):
    try:
        where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][4]
    except OSError:
        return 'no name'
    try:
        socket.create_connection(where[:2], timeout=3).close()
        return 'open'
    except ConnectionRefusedError:
        return 'refused'
    except OSError:
        return 'closed'
"""
SERVE = (
    TRY
    + """
import http.server, urllib.parse
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        asked = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query))
        body = (attempt(asked['host'], int(asked['port'])) if asked else 'here').encode()
        self.send_response(200)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args): pass
http.server.ThreadingHTTPServer(('', 8080), Handler).serve_forever()
"""
)


def calibrate(supplier: str) -> str:
    """A run that tries the data and the API server, and reports it as metrics."""
    return (
        TRY
        + f"""
import json, time
# Whoever enforces policies knows a new pod a moment late: until then it may reach too little, or too much.
for _ in range(30):
    found = {{'data': attempt({supplier!r}, 80), 'api': attempt('kubernetes.default.svc', 443)}}
    if found == {{'data': 'open', 'api': 'closed'}}:
        break
    time.sleep(1)
metrics = {{name: float(said == 'open') for name, said in found.items()}}
result = {{'metrics': metrics, 'windows': [{apps.CALIBRATION!r}], 'parameters': {{'depth': 1.5}}}}
open('/dev/termination-log', 'w').write(json.dumps(result))
"""
    )


class Tried:
    """A pod that tries connections when it is asked to, through the API server's proxy."""

    def __init__(self, city: City, namespace: str, pod: str) -> None:
        self.city, self.namespace, self.pod = city, namespace, pod

    def to(self, host: str, port: int) -> str:
        """What becomes of a connection."""
        path = (
            f"/api/v1/namespaces/{self.namespace}/pods/{self.pod}:8080/proxy/?{urlencode({'host': host, 'port': port})}"
        )
        status, body = self.city.cluster.raw("GET", path)
        assert status == 200, body
        return body.decode()

    @property
    def address(self) -> str:
        """Of the pod."""
        return str(self.city.cluster.get(POD, self.namespace, self.pod)["status"]["podIP"])


def pod_of(city: City, twin: Twin) -> Tried:
    revision = twin.body()["status"]["servingRevision"]
    (pod,) = [p for p in twin.children(POD, component="web", revision=revision) if _runs(p)]
    return Tried(city, twin.namespace, pod["metadata"]["name"])


def _runs(pod: JsonObject) -> bool:
    return pod["status"].get("phase") == "Running" and "deletionTimestamp" not in pod["metadata"]


def person(city: City, namespace: str) -> Tried:
    """A pod that is no app's."""
    city.cluster.apply(apps.restricted_pod(namespace, "person", {"app": "person"}, apps.python(city.image, SERVE)))
    made = Tried(city, namespace, "person")
    city.cluster.wait("pod person", lambda: _runs(city.cluster.get(POD, namespace, "person")), namespace)
    city.cluster.wait("its answer", lambda: _answers(made), namespace)
    return made


def _answers(pod: Tried) -> bool:
    path = f"/api/v1/namespaces/{pod.namespace}/pods/{pod.pod}:8080/proxy/"
    return pod.city.cluster.raw("GET", path)[0] == 200


@contextmanager
def listening(address: str, port: int) -> Iterator[None]:
    """A server of this machine at an address that it has for so long."""

    class Handler(BaseHTTPRequestHandler):
        pass

    given = subprocess.run(["ip", "address", "add", f"{address}/32", "dev", "lo"], check=False, capture_output=True)
    server = ThreadingHTTPServer((address, port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        if given.returncode == 0:
            subprocess.run(["ip", "address", "delete", f"{address}/32", "dev", "lo"], check=False)


@pytest.fixture(scope="module")
def supplier(city: City) -> str:
    return city.endpoint.removeprefix("http://").partition("/")[0]


@pytest.fixture(scope="module")
def twins(city: City, supplier: str) -> tuple[Twin, Twin]:
    """Two cities with an app each."""
    made = []
    for name in ("delft", "gouda"):
        version = apps.version(city.image, calibrate=calibrate(supplier), serve=SERVE)
        made.append(city.install(name, version))
    for twin in made:
        twin.ready()
    return made[0], made[1]


@pytest.fixture(scope="module")
def delft(city: City, twins: tuple[Twin, Twin]) -> Tried:
    return pod_of(city, twins[0])


@pytest.fixture(scope="module")
def gouda(city: City, twins: tuple[Twin, Twin]) -> Tried:
    return pod_of(city, twins[1])


def test_an_app_reaches_its_data_and_itself(delft: Tried, supplier: str, twins: tuple[Twin, Twin]) -> None:
    assert delft.to(supplier, 80) == "open"
    assert delft.to(f"delft-web.{twins[0].namespace}.svc", 8080) == "open"
    assert delft.to("nobody.example.invalid", 80) == "no name"


def test_an_app_reaches_no_api_server_node_or_metadata(city: City, delft: Tried) -> None:
    path = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes"
    slice_ = city.cluster.request("GET", path)
    endpoint, port = slice_["endpoints"][0]["addresses"][0], slice_["ports"][0]["port"]
    found = {
        "service": delft.to("kubernetes.default.svc", 443),
        "endpoint": delft.to(endpoint, port),
        "kubelet": delft.to(NODE_IP, 10250),
        "metadata": delft.to("169.254.169.254", 80),
    }
    assert set(found.values()) == {"closed"}, found


def test_a_run_reaches_its_data_and_no_api_server(twins: tuple[Twin, Twin]) -> None:
    metrics = evidence(twins[0].body())["calibration"]["metrics"]
    assert {m["name"]: float(m["value"]) for m in metrics} == {"data": 1, "api": 0}


def test_apps_of_two_cities_do_not_reach_each_other(delft: Tried, gouda: Tried, twins: tuple[Twin, Twin]) -> None:
    assert delft.to(f"gouda-web.{twins[1].namespace}.svc", 8080) == "closed"
    assert delft.to(gouda.address, 8080) == "closed"
    assert gouda.to(delft.address, 8080) == "closed"


def test_only_who_is_near_or_named_reaches_an_app(city: City, delft: Tried, twins: tuple[Twin, Twin]) -> None:
    space = twins[0].namespace
    near, gateway = person(city, space), person(city, city.namespace("gateway"))
    assert near.to(delft.address, 8080) == "open"
    assert near.to(delft.address, 8081) == "closed", "a port that is not declared"
    assert gateway.to(delft.address, 8080) == "closed"
    allowed = [{"name": "gateway", "namespace": gateway.namespace}]
    city.cluster.merge(KINDS["MunicipalityPlatform"], space, "oup", {"spec": {"ingress": allowed}})
    city.cluster.wait("way in", lambda: gateway.to(delft.address, 8080) == "open", space)
    assert pod_of(city, twins[0]).pod == delft.pod, "no pod was replaced for it"


def test_a_public_server_takes_two_to_open(city: City, supplier: str) -> None:
    call = {"host": "api.weather.example", "ports": [PORT], "reason": "The forecast of rain."}
    version = apps.version(city.image, calibrate=calibrate(supplier), serve=SERVE) | {"egress": [call]}
    with ExitStack() as stack:
        for address in (PUBLIC, PRIVATE):
            for port in (PORT, OTHER_PORT):
                stack.enter_context(listening(address, port))
        twin = city.install("leiden", version)
        said = twin.refused("Accepted", "EgressNotPermitted")
        assert f"calls api.weather.example, port {PORT} (The forecast of rain.)" in said["message"]
        permitted = [{"name": "weather", "host": "*.weather.example", "ports": [443, PORT]}]
        platform = KINDS["MunicipalityPlatform"]
        city.cluster.merge(platform, twin.namespace, "oup", {"spec": {"egress": permitted}})
        twin.ready()
        leiden = pod_of(city, twin)
        assert leiden.to(PUBLIC, PORT) == "open"
        assert leiden.to(PUBLIC, OTHER_PORT) == "closed"
        assert leiden.to(PRIVATE, PORT) == "closed", "a name opens no private address"

        permitted.append({"name": "centre", "cidr": "10.99.0.0/24", "ports": [OTHER_PORT]})
        city.cluster.merge(platform, twin.namespace, "oup", {"spec": {"egress": permitted}})
        city.cluster.wait("way out", lambda: leiden.to(PRIVATE, OTHER_PORT) == "open", twin.namespace)
        assert leiden.to(PRIVATE, PORT) == "closed"
        # What nobody may reach stays closed in a range that is open.
        permitted.append({"name": "all", "cidr": "10.0.0.0/8", "ports": [10250]})
        city.cluster.merge(platform, twin.namespace, "oup", {"spec": {"egress": permitted}})
        policy = f"{twin.name}-{twin.body()['status']['revision']}-network"

        def opened() -> bool:
            spec = city.cluster.get(KINDS["NetworkPolicy"], twin.namespace, policy)["spec"]
            return "10.0.0.0/8" in json.dumps(spec)

        city.cluster.wait("rule", opened, twin.namespace)
        assert leiden.to(NODE_IP, 10250) == "closed"
        assert evidence(twin.body())["calibration"]["outcome"] == "Passed", "and nothing was calibrated anew"
        assert len(twin.children(KINDS["Job"])) == 2
