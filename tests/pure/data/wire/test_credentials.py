"""Each scheme of credentials, over real sockets: sent as it should be, to whom it should be, and to nobody else."""

import base64
import contextlib
import http.server
import logging
import os
import shutil
import ssl
import stat
import subprocess
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import parse_qs, unquote_plus

import pytest
from aiohttp import web
from probes_kit import LIMITS, LOOPBACK, SECRET, json_response, redirect, response, serving, target

from ddtas.data.addresses import AddressPolicy
from ddtas.data.session import Limits, Session, Target
from ddtas.data.wire import tls
from ddtas.data.wire.http import client
from ddtas.errors import SourceError

needs_openssl = pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl to make certificates")

TOKEN = f"{SECRET}-token"
CLIENT = {"client-id": "twin", "client-secret": SECRET}
GOOD = json_response({"ok": True})


async def read(to: Target, *links: str, limits: Limits = LIMITS, policy: AddressPolicy = LOOPBACK) -> Session:
    """Ask for the endpoint and then each link, as JSON."""
    session = Session(to, limits, policy)
    async with client(session) as visiting:
        for link in (None, *links):
            assert (await visiting.json(link)).value == {"ok": True}
    return session


async def refused(to: Target, *links: str, policy: AddressPolicy = LOOPBACK) -> SourceError:
    with pytest.raises(SourceError) as caught:
        await read(to, *links, policy=policy)
    assert SECRET not in caught.value.message
    assert caught.value.message.isprintable()
    return caught.value


# --- Basic, Bearer, ApiKey: headers

SCHEMES: dict[str, tuple[dict[str, str], dict[str, str], str, str]] = {
    "Basic": (
        {"username": "delft", "password": f"{SECRET}: é"},
        {},
        "Authorization",
        "Basic " + base64.b64encode(f"delft:{SECRET}: é".encode()).decode(),
    ),
    "Bearer": ({"token": SECRET}, {}, "Authorization", f"Bearer {SECRET}"),
    "ApiKey": ({"api-key": SECRET}, {}, "X-Api-Key", SECRET),
    "ApiKey of another name": ({"api-key": SECRET}, {"header": "Ocp-Apim-Key"}, "Ocp-Apim-Key", SECRET),
}


@pytest.mark.parametrize("case", SCHEMES)
async def test_headers_go_to_the_origin_with_each_request(case: str) -> None:
    secret, auth, header, value = SCHEMES[case]
    async with serving({"/": GOOD, "/next": redirect("/last"), "/last": GOOD}) as server:
        await read(target(server.url(path="/"), case.split()[0], secret, **auth), "next")  # type: ignore[arg-type]
    assert server.targets == ["/", "/next", "/last"]
    assert [server.header(header, number) for number in range(3)] == [value] * 3


@pytest.mark.parametrize("case", SCHEMES)
async def test_headers_leave_the_origin_neither_by_a_link_nor_by_a_redirect(case: str) -> None:
    secret, auth, header, value = SCHEMES[case]
    async with serving(GOOD) as there:
        routes = {"/": GOOD, "/away": redirect(there.url(path="/x"))}
        async with serving(routes) as here:
            to = target(here.url(path="/"), case.split()[0], secret, **auth)  # type: ignore[arg-type]
            await read(to, "away", there.url(path="/x"))
    assert [here.header(header, number) for number in range(2)] == [value] * 2
    assert len(there.requests) == 2
    assert not any(SECRET in request or header in request for request in there.requests)


@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden"])
@pytest.mark.parametrize("case", SCHEMES)
async def test_what_the_server_refuses_is_unauthorized(case: str, status: str) -> None:
    secret, auth, _, _ = SCHEMES[case]
    async with serving(json_response({"error": SECRET}, status=status)) as server:
        error = await refused(target(server.url(), case.split()[0], secret, **auth))  # type: ignore[arg-type]
    assert error.reason == "Unauthorized"
    assert "correct the Secret" in error.message


@pytest.mark.parametrize(
    ("scheme", "secret"),
    [
        ("ApiKey", {}),
        ("ApiKey", {"api-key": ""}),
        ("ApiKey", {"api-key": f"{SECRET}\n"}),
        ("ApiKey", {"api-key": f"{SECRET}\r\nX-Evil: 1"}),
        ("ApiKey", {"api-key": f"{SECRET}é"}),
        ("Bearer", {"token": f"{SECRET}\x00"}),
        ("OAuth2ClientCredentials", {"client-id": "twin"}),
        ("OAuth2ClientCredentials", CLIENT | {"client-secret": f"{SECRET}\n"}),
    ],
)
async def test_values_that_cannot_be_sent_are_not_sent(scheme: str, secret: dict[str, str]) -> None:
    async with serving(GOOD) as server:
        extra = {"tokenUrl": server.url(path="/token")} if scheme.startswith("OAuth2") else {}
        error = await refused(target(server.url(), scheme, secret, **extra))  # type: ignore[arg-type]
    assert error.reason == "Unauthorized"
    assert server.requests == []


async def test_the_keys_of_s3_are_in_no_header() -> None:
    """The S3 probe signs each request with them (SigV4), so that they never leave the operator."""
    secret = {"access-key-id": SECRET, "secret-access-key": SECRET}
    async with serving(GOOD) as server:
        await read(target(server.url(), "SigV4", secret, region="eu-west-1"))
    assert SECRET not in server.requests[0]


# --- OAuth 2.0 client credentials


class TokenServer:
    """A token endpoint by RFC 6749, sections 2.3.1 and 4.4, for one client; it remembers which scopes it gave."""

    def __init__(self) -> None:
        self.port = 0
        self.scopes: list[str | None] = []
        self.seen: list[str] = []

    def url(self, path: str = "/token") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    async def token(self, request: web.Request) -> web.Response:
        form = await request.post()
        self.seen.append(str(request.rel_url))
        scheme, _, sent = request.headers.get("Authorization", "").partition(" ")
        given = base64.b64decode(sent).decode().partition(":")
        if scheme != "Basic" or (unquote_plus(given[0]), unquote_plus(given[2])) != ("tw:in %", f"{SECRET}+&é%"):
            return web.json_response(
                {"error": "invalid_client", "error_description": SECRET},
                status=401,
                headers={"WWW-Authenticate": "Basic"},
            )
        if form.get("grant_type") != "client_credentials":
            return web.json_response({"error": "unsupported_grant_type"}, status=400)
        scope = form.get("scope")
        if scope not in (None, "levels.read weirs.read"):
            return web.json_response({"error": "invalid_scope"}, status=400)
        self.scopes.append(str(scope) if scope else None)
        body = {"access_token": TOKEN, "token_type": "Bearer", "expires_in": 60}
        return web.json_response(body, headers={"Cache-Control": "no-store"})


ODD_CLIENT = {"client-id": "tw:in %", "client-secret": f"{SECRET}+&é%"}  # what form-encoding is for


@contextlib.asynccontextmanager
async def token_server() -> AsyncIterator[TokenServer]:
    server = TokenServer()
    app = web.Application()
    app.router.add_post("/token", server.token)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.port = runner.addresses[0][1]
    try:
        yield server
    finally:
        await runner.cleanup()


def oauth(endpoint: str, token_url: str, secret: Mapping[str, str] = CLIENT, **auth: str) -> Target:
    return target(endpoint, "OAuth2ClientCredentials", secret, tokenUrl=token_url, **auth)  # type: ignore[arg-type]


@pytest.mark.parametrize("scope", [None, "levels.read weirs.read"])
async def test_a_token_is_asked_for_once_a_look_and_goes_to_the_origin(scope: str | None) -> None:
    auth = {"scope": scope} if scope else {}
    async with token_server() as tokens, serving({"/": GOOD, "/next": GOOD}) as server:
        for _ in range(2):
            session = await read(oauth(server.url(path="/"), tokens.url("/token?realm=1"), ODD_CLIENT, **auth), "next")
    assert session.requests == 3
    assert tokens.scopes == [scope] * 2  # each look has its own
    assert tokens.seen == ["/token?realm=1"] * 2
    assert [server.header("Authorization", number) for number in range(4)] == [f"Bearer {TOKEN}"] * 4


async def test_a_token_does_not_leave_the_origin() -> None:
    async with (
        token_server() as tokens,
        serving(GOOD) as there,
        serving({"/": GOOD, "/x": redirect(there.url())}) as here,
    ):
        await read(oauth(here.url(path="/"), tokens.url(), ODD_CLIENT), "x", there.url())
    assert [there.header("Authorization", number) for number in range(2)] == [None, None]


async def test_how_the_token_is_asked_for() -> None:
    async with serving({"/token": json_response({"access_token": TOKEN}), "/": GOOD}) as server:
        await read(oauth(server.url(path="/"), server.url(path="/token"), scope="a b"))
    assert server.requests[0].startswith("POST /token HTTP/1.1\r\n")
    assert server.header("Content-Type", 0) == "application/x-www-form-urlencoded"
    assert parse_qs(server.bodies[0].decode()) == {"grant_type": ["client_credentials"], "scope": ["a b"]}
    assert SECRET not in server.bodies[0].decode()
    assert server.header("Authorization", 0) == "Basic " + base64.b64encode(f"twin:{SECRET}".encode()).decode()


@pytest.mark.parametrize("secret", [CLIENT, ODD_CLIENT | {"client-secret": "wrong"}])
async def test_a_wrong_client_is_unauthorized(secret: dict[str, str]) -> None:
    async with token_server() as tokens, serving(GOOD) as server:
        error = await refused(oauth(server.url(), tokens.url(), secret))
    assert error.reason == "Unauthorized"
    assert "tokenUrl" in error.message
    assert server.requests == []


async def test_a_wrong_scope_is_unauthorized() -> None:
    async with token_server() as tokens, serving(GOOD) as server:
        assert (await refused(oauth(server.url(), tokens.url(), ODD_CLIENT, scope="all"))).reason == "Unauthorized"


async def test_a_token_that_the_source_refuses_is_unauthorized() -> None:
    async with token_server() as tokens, serving(json_response({}, status="401 No")) as server:
        error = await refused(oauth(server.url(), tokens.url(), ODD_CLIENT))
    assert error.reason == "Unauthorized"
    assert "answers HTTP 401" in error.message


@pytest.mark.parametrize("status", ["301 x", "302 x", "303 x", "307 x", "308 x"])
async def test_a_redirect_of_the_token_url_is_not_followed(status: str) -> None:
    async with serving(json_response({"access_token": TOKEN})) as there, serving(redirect(there.url(), status)) as here:
        error = await refused(oauth(here.url(path="/data"), here.url(path="/token")))
    assert error.reason == "Unauthorized"
    assert there.requests == []
    assert here.targets == ["/token"]


@pytest.mark.parametrize(
    "answer",
    [
        json_response({}),
        json_response([]),
        json_response("null"),
        json_response('"token"'),
        json_response({"access_token": None}),
        json_response({"access_token": 5}),
        json_response({"access_token": ""}),
        json_response({"access_token": f"{SECRET}\r\nX-Evil: 1"}),
        json_response({"access_token": f"{SECRET}é"}),
        json_response({"access_token": {"a": SECRET}}),
        json_response(f'{{"access_token": "{SECRET}"'),
        json_response(b"[" * 100_000),
        json_response(b'{"access_token": "\xff"}'),
        json_response({"error": "invalid_client", "error_description": SECRET}),
        json_response({"error": SECRET}, status="400 Bad Request"),
        json_response({"access_token": SECRET}, status="201 Created"),
        json_response({}, status="500 Oops"),
        json_response({"access_token": "x" * 200_000}),
        response(b"<html>Log in</html>", "Content-Type: text/html"),
        response(b"\x1f\x8b\x08", "Content-Encoding: gzip"),
    ],
    ids=lambda answer: repr(answer[-40:]),
)
async def test_a_token_url_that_gives_no_token(answer: bytes) -> None:
    async with serving(answer) as tokens, serving(GOOD) as server:
        with pytest.raises(SourceError) as caught:
            await read(oauth(server.url(), tokens.url()), limits=Limits(max_document_bytes=100_000))
    assert caught.value.reason == "Unauthorized"
    assert SECRET not in caught.value.message
    assert server.requests == []


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-x\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n{}"])
async def test_a_token_url_that_breaks_off_is_unreachable(answer: bytes) -> None:
    async with serving(answer) as tokens, serving(GOOD) as server:
        error = await refused(oauth(server.url(), tokens.url()))
    assert error.reason == "Unreachable"
    assert "the token URL does not answer" in error.message


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/token",
        "http://127.0.0.2/token",
        "http://2130706434/token",
        "http://[::ffff:169.254.169.254]/token",
    ],
)
async def test_a_token_url_leads_to_no_forbidden_address(url: str) -> None:
    only = AddressPolicy(allowed=(ip_network("127.0.0.1/32"),))
    async with serving(GOOD) as server:
        error = await refused(oauth(server.url(), url), policy=only)
    assert error.reason == "AddressForbidden"
    assert "correct the tokenUrl" in error.message
    assert server.requests == []


async def test_the_token_and_the_secret_are_in_no_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with token_server() as tokens, serving(GOOD) as server, serving(json_response({}, status="403 x")) as closed:
        to = oauth(server.url(), tokens.url(), ODD_CLIENT)
        session = await read(to)
        await refused(oauth(closed.url(), tokens.url(), ODD_CLIENT))
        await refused(oauth(closed.url(), tokens.url(), CLIENT))
    assert SECRET not in caplog.text
    assert SECRET not in f"{to!r} {session!r}"


# --- TLS


@dataclass(frozen=True)
class Pki:
    """Certificates and keys made by openssl: of an authority, another one, a server and some clients."""

    folder: Path

    def text(self, name: str) -> str:
        return (self.folder / name).read_text()

    def authority(self, name: str) -> None:
        extensions = ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign"]
        more = [word for extension in extensions for word in ("-addext", extension)]
        self._run("req", "-x509", *self._key(name), "-out", f"{name}.crt", "-subj", f"/CN={name}", "-days", "2", *more)

    def certificate(self, name: str, authority: str, days: int = 2) -> None:
        (self.folder / "extensions").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
        self._run("req", *self._key(name), "-out", f"{name}.csr", "-subj", f"/CN={name}")
        signing = ["-CA", f"{authority}.crt", "-CAkey", f"{authority}.key", "-CAcreateserial"]
        ends = ["-days", str(days), "-extfile", "extensions"]
        self._run("x509", "-req", "-in", f"{name}.csr", *signing, "-out", f"{name}.crt", *ends)

    def with_passphrase(self, name: str) -> str:
        return self._run("pkcs8", "-topk8", "-in", f"{name}.key", "-passout", f"pass:{SECRET}")

    def client(self, name: str) -> dict[str, str]:
        """A Secret for MutualTLS."""
        return {"tls.crt": self.text(f"{name}.crt"), "tls.key": self.text(f"{name}.key"), "ca.crt": self.text("ca.crt")}

    def server(self, *, clients: bool = False, highest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLContext:
        """How the server speaks TLS; `clients`: each must have a certificate of the authority."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.maximum_version = highest
        context.load_cert_chain(self.folder / "server.crt", self.folder / "server.key")
        context.load_verify_locations(self.folder / "ca.crt")
        context.verify_mode = ssl.CERT_REQUIRED if clients else ssl.CERT_OPTIONAL
        return context

    def _key(self, name: str) -> list[str]:
        return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", f"{name}.key"]

    def _run(self, *arguments: str) -> str:
        done = subprocess.run(["openssl", *arguments], check=True, capture_output=True, text=True, cwd=self.folder)
        return done.stdout


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    made = Pki(tmp_path_factory.mktemp("pki"))
    made.authority("ca")
    made.authority("other-ca")
    made.certificate("server", "ca")
    made.certificate("client", "ca")
    made.certificate("expired", "ca", days=-1)
    made.certificate("stranger", "other-ca")
    return made


class TlsServer(http.server.ThreadingHTTPServer):
    """A server that tells a client why it ends a handshake (asyncio's drops the alert), and whom it spoke with."""

    daemon_threads = True

    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", 0), _TlsHandler)
        self.context = context
        self.peers: list[str] = []
        self.secrets: list[str] = []

    def url(self, path: str = "/") -> str:
        return f"https://127.0.0.1:{self.server_port}{path}"

    def get_request(self) -> tuple[ssl.SSLSocket, object]:
        connection, address = self.socket.accept()
        connection.settimeout(10)
        return self.context.wrap_socket(connection, server_side=True), address

    def handle_error(self, *_: object) -> None:
        """Say nothing."""


class _TlsHandler(http.server.BaseHTTPRequestHandler):
    server: TlsServer

    def do_GET(self) -> None:
        certificate = self.connection.getpeercert() or {}
        names = dict(pair for rdn in certificate.get("subject", ()) for pair in rdn)
        self.server.peers.append(names.get("commonName", ""))
        self.server.secrets.append(self.headers.get("Authorization", ""))
        self.send_response(302 if self.path.startswith("/to=") else 200)
        if self.path.startswith("/to="):
            self.send_header("Location", self.path.removeprefix("/to="))
        body = b'{"ok": true}'
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def tls_server(context: ssl.SSLContext) -> Iterator[TlsServer]:
    with TlsServer(context) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


VERSIONS = pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])


@needs_openssl
@VERSIONS
async def test_a_client_with_its_certificate_is_let_in(pki: Pki, version: ssl.TLSVersion) -> None:
    with tls_server(pki.server(clients=True, highest=version)) as server:
        await read(target(server.url(), "MutualTLS", pki.client("client")))
    assert server.peers == ["client"]


@needs_openssl
@VERSIONS
@pytest.mark.parametrize("who", ["stranger", "expired"])
async def test_a_client_with_a_wrong_certificate_is_unauthorized(pki: Pki, who: str, version: ssl.TLSVersion) -> None:
    with tls_server(pki.server(clients=True, highest=version)) as server:
        error = await refused(target(server.url(), "MutualTLS", pki.client(who)))
    assert error.reason == "Unauthorized"
    assert "tls.crt" in error.message
    assert server.peers == []


@needs_openssl
@VERSIONS
async def test_a_client_without_a_certificate_is_not_let_in(pki: Pki, version: ssl.TLSVersion) -> None:
    with tls_server(pki.server(clients=True, highest=version)) as server:
        error = await refused(target(server.url(), "Bearer", {"token": SECRET, "ca.crt": pki.text("ca.crt")}))
    # From TLS 1.3 on, the end of the connection may overtake the reason for it.
    assert error.reason in ("Unauthorized", "Unreachable")
    assert server.peers == []


@needs_openssl
async def test_the_certificate_is_shown_to_the_origin_alone(pki: Pki) -> None:
    with tls_server(pki.server()) as there, tls_server(pki.server()) as here:
        to = target(here.url(), "MutualTLS", pki.client("client"))
        await read(to, "again", there.url(), f"to={there.url()}", f"to={here.url('/back')}")
    assert here.peers == ["client", "client", "client", "client", "client"]
    assert there.peers == ["", ""]


@needs_openssl
async def test_the_certificate_does_not_come_back_after_a_detour(pki: Pki) -> None:
    with tls_server(pki.server()) as there, tls_server(pki.server()) as here:
        to = target(here.url(), "MutualTLS", pki.client("client"))
        await read(to, f"to={there.url(f'/to={here.url()}')}")
    assert here.peers == ["client", "client", ""]


@needs_openssl
@pytest.mark.parametrize(
    "broken",
    [
        {"tls.key": ""},
        {"tls.key": "no key"},
        {"tls.key": None},
        {"tls.crt": ""},
        {"tls.crt": None},
        {"tls.crt": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"},
        {"tls.crt": "\ud800"},
        {"ca.crt": "no certificate"},
        {"ca.crt": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"},
        {"ca.crt": "é"},
        {"ca.crt": "\ud800"},
    ],
    ids=str,
)
async def test_certificates_and_keys_that_cannot_be_read(pki: Pki, broken: dict[str, str | None]) -> None:
    secret = {key: value for key, value in (pki.client("client") | broken).items() if value is not None}
    with tls_server(pki.server(clients=True)) as server:
        error = await refused(target(server.url(), "MutualTLS", secret))
    assert error.reason == "Unauthorized"
    assert "tls.key" in error.message
    assert server.peers == []


@needs_openssl
async def test_a_key_with_a_passphrase_is_refused_and_nobody_is_asked_for_it(pki: Pki) -> None:
    secret = pki.client("client") | {"tls.key": pki.with_passphrase("client")}
    with tls_server(pki.server(clients=True)) as server:
        error = await refused(target(server.url(), "MutualTLS", secret))
    assert error.reason == "Unauthorized"
    assert "without a passphrase" in error.message


@needs_openssl
async def test_the_key_of_another_certificate_is_refused(pki: Pki) -> None:
    secret = pki.client("client") | {"tls.key": pki.text("stranger.key")}
    with tls_server(pki.server(clients=True)) as server:
        assert (await refused(target(server.url(), "MutualTLS", secret))).reason == "Unauthorized"


@needs_openssl
@pytest.mark.parametrize("key", ["client", "stranger"])
def test_a_key_is_never_in_a_file(pki: Pki, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    load = ssl.SSLContext.load_cert_chain

    def session(context: ssl.SSLContext, certificate: str, key: str, **more: str) -> None:
        seen.extend(os.stat(path).st_mode for path in (certificate, key))
        load(context, certificate, key, **more)

    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", session)
    before = os.listdir("/proc/self/fd")
    secret = pki.client("client") | {"tls.key": pki.text(f"{key}.key")}
    with contextlib.suppress(SourceError):
        tls.context(Session(target("https://x.example/", "MutualTLS", secret), LIMITS, LOOPBACK))
    assert [stat.S_ISFIFO(mode) for mode in seen] == [True, True]
    assert os.listdir("/proc/self/fd") == before


def test_a_key_that_does_not_fit_into_a_pipe_is_refused(pki: Pki) -> None:
    secret = pki.client("client") | {"tls.key": pki.text("client.key") + "#" * (1 << 20)}
    with pytest.raises(SourceError, match=r"tls\.key"):
        tls.context(Session(target("https://x.example/", "MutualTLS", secret), LIMITS, LOOPBACK))


# --- ca.crt, with each scheme

WITH_CA: list[tuple[str, dict[str, str], str]] = [
    ("Basic", {"username": "delft", "password": SECRET}, "Basic "),
    ("Bearer", {"token": SECRET}, "Bearer "),
    ("ApiKey", {"api-key": SECRET}, ""),
    ("SigV4", {"access-key-id": SECRET, "secret-access-key": SECRET}, ""),
]


@needs_openssl
@pytest.mark.parametrize(("scheme", "secret", "sent"), WITH_CA)
async def test_a_private_authority_is_trusted_for_the_source_that_names_it(
    pki: Pki, scheme: str, secret: dict[str, str], sent: str
) -> None:
    with tls_server(pki.server()) as server:
        trusting = secret | {"ca.crt": pki.text("ca.crt")}
        await read(target(server.url(), scheme, trusting))
        for distrusting in (secret, secret | {"ca.crt": pki.text("other-ca.crt")}):
            error = await refused(target(server.url(), scheme, distrusting))
            assert error.reason == "Unreachable"
            assert "certificate" in error.message
    assert len(server.secrets) == 1
    assert server.secrets[0].startswith(sent)


@needs_openssl
async def test_without_credentials_no_private_authority_is_trusted(pki: Pki) -> None:
    with tls_server(pki.server()) as server:
        assert (await refused(target(server.url()))).reason == "Unreachable"
    assert server.secrets == []


@needs_openssl
async def test_a_name_that_is_not_in_the_certificate_is_refused(pki: Pki) -> None:
    with tls_server(pki.server()) as server:
        to = target(server.url().replace("127.0.0.1", "127.0.0.1.nip.invalid"), "Bearer", {"token": SECRET})
        assert (await refused(to)).reason == "Unreachable"
        odd = server.url().replace("127.0.0.1", "0x7f000001")
        error = await refused(target(odd, "Bearer", {"token": SECRET, "ca.crt": pki.text("ca.crt")}))
    assert error.reason == "Unreachable"
    assert server.secrets == []


@needs_openssl
async def test_a_token_url_is_trusted_by_the_same_authority(pki: Pki) -> None:
    async with serving(json_response({"access_token": TOKEN}), tls=pki.server()) as tokens:
        with tls_server(pki.server()) as server:
            url = tokens.url(path="/token", scheme="https")
            await read(oauth(server.url(), url, CLIENT | {"ca.crt": pki.text("ca.crt")}))
            error = await refused(oauth(server.url(), url, CLIENT))
    assert server.secrets == [f"Bearer {TOKEN}"]
    assert error.reason == "Unreachable"
    assert "token URL" in error.message


@needs_openssl
async def test_two_looks_share_no_trust(pki: Pki) -> None:
    with tls_server(pki.server()) as server:
        await read(target(server.url(), "MutualTLS", pki.client("client")))
        await read(target(server.url(), "Bearer", {"token": SECRET, "ca.crt": pki.text("ca.crt")}))
        await refused(target(server.url(), "Bearer", {"token": SECRET}))
    assert server.peers == ["client", ""]
