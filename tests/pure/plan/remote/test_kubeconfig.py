"""Kubeconfigs: what is taken of them, and that everything else is refused by name before anything happens."""

import builtins
import copy
import io
import json
import os
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
import yaml

from ddtas.errors import KubeconfigError
from ddtas.plan.remote.kubeconfig import MAX_BYTES, Access, parse

PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
KEY = "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n"
SECRET = "do-not-show-this"


def encoded(text: str) -> str:
    return b64encode(text.encode()).decode()


def config(**parts: dict[str, Any]) -> dict[str, Any]:
    """A kubeconfig; `cluster`, `user` and `context` add to the current entries, None removes a field."""
    entries: dict[str, dict[str, Any]] = {
        "cluster": {"server": "https://api.city.example:6443", "certificate-authority-data": encoded(PEM)},
        "user": {"token": SECRET},
        "context": {"cluster": "city", "user": "operator", "namespace": "twins"},
    }
    for part, changes in parts.items():
        entries[part] = {k: v for k, v in (entries[part] | changes).items() if v is not None}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "contexts": [{"name": "here", "context": entries["context"]}],
        "clusters": [{"name": "city", "cluster": entries["cluster"]}],
        "users": [{"name": "operator", "user": entries["user"]}],
    }


def dump(body: Any) -> bytes:
    return yaml.safe_dump(body).encode()


def refusal(text: bytes) -> KubeconfigError:
    with pytest.raises(KubeconfigError) as caught:
        parse(text)
    return caught.value


def test_a_token() -> None:
    assert parse(dump(config())) == Access("https://api.city.example:6443", "twins", PEM, token=SECRET)


def test_a_client_certificate_and_what_does_not_matter() -> None:
    body = config(
        user={"token": "", "client-certificate-data": encoded(PEM), "client-key-data": encoded(KEY), "exec": None},
        cluster={
            "extensions": [{"name": "x", "extension": {"a": 1}}],
            "disable-compression": True,
            "insecure-skip-tls-verify": False,
            "proxy-url": "",
            "tls-server-name": "api.internal",
            "server": "https://10.0.0.1/k8s/clusters/c-1/",
        },
    )
    expected = Access("https://10.0.0.1/k8s/clusters/c-1", "twins", PEM, "", PEM, KEY, "api.internal")
    assert parse(dump(body)) == expected


def test_json_is_yaml_and_public_authorities_do() -> None:
    body = config(cluster={"certificate-authority-data": None})
    assert parse(json.dumps(body).encode()).authority == ""


def test_only_the_current_context_counts() -> None:
    body = config()
    body["contexts"].insert(0, {"name": "other", "context": {"cluster": "far", "user": "admin", "namespace": "x"}})
    body["clusters"].append({"name": "far", "cluster": {"server": "http://far.example"}})
    body["users"].append({"name": "admin", "user": {"exec": {"command": "sh"}}})
    assert parse(dump(body)).namespace == "twins"


def test_its_repr_shows_no_secret() -> None:
    body = config(user={"client-certificate-data": encoded(PEM), "client-key-data": encoded(KEY)})
    shown = repr(parse(dump(body)))
    assert SECRET not in shown
    assert "BEGIN" not in shown


FORBIDDEN: dict[str, tuple[str, dict[str, Any]]] = {
    "exec": ("user", {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "/bin/sh"}}),
    "auth-provider": ("user", {"auth-provider": {"name": "gcp", "config": {"cmd-path": "/bin/sh"}}}),
    "tokenFile": ("user", {"tokenFile": "/var/run/secrets/kubernetes.io/serviceaccount/token"}),
    "client-certificate": ("user", {"client-certificate": "/etc/ssl/client.pem"}),
    "client-key": ("user", {"client-key": "/etc/ssl/key.pem"}),
    "username": ("user", {"username": "admin"}),
    "password": ("user", {"password": SECRET}),
    "as": ("user", {"as": "system:admin"}),
    "as-uid": ("user", {"as-uid": "1"}),
    "as-groups": ("user", {"as-groups": ["system:masters"]}),
    "as-user-extra": ("user", {"as-user-extra": {"a": ["b"]}}),
    "certificate-authority": ("cluster", {"certificate-authority": "/etc/ssl/ca.pem"}),
    "insecure-skip-tls-verify": ("cluster", {"insecure-skip-tls-verify": True}),
    "proxy-url": ("cluster", {"proxy-url": "socks5://proxy.example:1080"}),
    "a field that is not known": ("cluster", {"surprise": "yes"}),
}


@pytest.mark.parametrize("field", FORBIDDEN)
def test_what_is_refused_by_name(field: str) -> None:
    part, more = FORBIDDEN[field]
    error = refusal(dump(config(**{part: more})))
    assert error.reason == "KubeconfigForbidden"
    assert f"its {part} has {field}" in error.message
    values = [v for v in more.values() if isinstance(v, str)]
    assert not any(value in error.message for value in values if len(value) > 3)


def test_http_is_refused() -> None:
    error = refusal(dump(config(cluster={"server": "http://api.city.example"})))
    assert (error.reason, "not https" in error.message) == ("KubeconfigForbidden", True)


INVALID: dict[str, tuple[Any, str]] = {
    "a NUL in the server's name": (config(cluster={"tls-server-name": "api.city\0.example"}), "neither a host name"),
    "a long server's name": (config(cluster={"tls-server-name": "a" * 254}), "neither a host name"),
    "a server's name with a newline": (config(cluster={"tls-server-name": "a\nb"}), "neither a host name"),
    "thousands of parts": (b"? a\n" * 16_000, "more than 2000 parts"),
    "a number of many digits": (b"a: !!int " + b"1:" * 30_000 + b"1", "not YAML"),
    "not yaml": (b"a: [", "not YAML"),
    "not utf-8": (b"\xff\xfe", "not YAML"),
    "a bad date": (b"a: !!timestamp 2026-99-99", "not YAML"),
    "a tag that makes an object": (b"!!python/object/apply:os.system ['true']", "not YAML"),
    "two documents": (b"a: 1\n---\nb: 2\n", "not YAML"),
    "empty": (b"", "not a mapping"),
    "a list": (b"[]", "not a mapping"),
    "odd keys": (b"true: 2", "not a mapping"),
    "no context": ({**config(), "current-context": None}, "no current-context"),
    "another context": ({**config(), "current-context": "there"}, "contexts has no entries"),
    "two of a name": ({**config(), "users": [config()["users"][0], config()["users"][0]]}, "users has 2 entries"),
    "users is no list": ({**config(), "users": {"name": "operator"}}, "users has no entries"),
    "an empty user": ({**config(), "users": [{"name": "operator"}]}, "entry of users is not a mapping"),
    "no namespace": (config(context={"namespace": None}), "has no namespace"),
    "odd namespace": (config(context={"namespace": "../kube-system"}), "not the name of a namespace"),
    "no server": (config(cluster={"server": None}), "no server"),
    "no host": (config(cluster={"server": "https://"}), "not the URL"),
    "a user in the url": (config(cluster={"server": "https://me:pw@api.example"}), "not the URL"),
    "a query in the url": (config(cluster={"server": "https://api.example/?a=1"}), "not the URL"),
    "a bad port": (config(cluster={"server": "https://api.example:port"}), "not the URL"),
    "no credentials": (config(user={"token": None}), "neither a token nor"),
    "half a pair": (config(user={"client-key-data": encoded(KEY)}), "needs both"),
    "token with a newline": (config(user={"token": f"{SECRET}\n"}), "no token has"),
    "authority is a path": (config(cluster={"certificate-authority-data": "/etc/ca"}), "not base64 of PEM"),
    "authority is no pem": (config(cluster={"certificate-authority-data": encoded("x")}), "not base64 of PEM"),
}


@pytest.mark.parametrize(("content", "said"), INVALID.values(), ids=INVALID)
def test_what_is_incomplete(content: Any, said: str) -> None:
    error = refusal(content if isinstance(content, bytes) else dump(copy.deepcopy(content)))
    assert error.reason == "KubeconfigInvalid"
    assert said in error.message
    assert SECRET not in error.message


BOMB = b"a: &a [x, x]\n" + b"".join(f"{chr(98 + n)}: &{chr(98 + n)} [*{chr(97 + n)}]\n".encode() for n in range(9))
MERGE = b"a: &a {x: 1}\nb: {<<: *a}\n"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(BOMB, "alias", id="billion laughs"),
        pytest.param(MERGE, "alias", id="merge keys"),
        pytest.param(b"[" * 30_000, "levels deep", id="deep"),
        pytest.param(b"#" * (MAX_BYTES + 1), "bytes", id="large"),
        pytest.param(b"a: " * 20_000, "not YAML", id="long line"),
    ],
)
def test_bombs(content: bytes, said: str) -> None:
    assert said in refusal(content).message


def test_no_program_is_run_and_no_file_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, read = tmp_path / "made-by-exec", tmp_path / "token"
    read.write_text("the operator's own token")
    opened: list[object] = []

    def watched(name: str, of: Any, real: Any) -> None:
        def call(path: Any, *args: Any, **kwargs: Any) -> Any:
            opened.append(path)
            return real(path, *args, **kwargs)

        monkeypatch.setattr(of, name, call)

    for name, of in (("open", builtins), ("open", io), ("open", os)):
        watched(name, of, getattr(of, name))
    monkeypatch.setattr(os, "system", lambda *_: opened.append("system"))
    for part, more in (
        ("user", {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "touch", "args": [str(made)]}}),
        ("user", {"auth-provider": {"name": "gcp", "config": {"cmd-path": "touch", "cmd-args": str(made)}}}),
        ("user", {"tokenFile": str(read)}),
        ("user", {"client-certificate": str(read), "client-key": str(read)}),
        ("cluster", {"certificate-authority": str(read)}),
    ):
        refusal(dump(config(**{part: more})))
    assert opened == []
    assert not made.exists()
