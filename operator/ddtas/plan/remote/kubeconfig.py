"""A kubeconfig, read by ourselves. Pure: no program is run, no file opened, and no address looked up.

Whoever may edit a Secret chooses what is in it. A client library that loads such a file runs its programs (`exec`),
sends the operator's own files to a server of their choice (`tokenFile`), or trusts anyone (`insecure-skip-tls-verify`).
So only what is known to be harmless is taken, and everything else is refused by name, without a word of its value.
"""

import binascii
import re
from base64 import b64decode
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import urlsplit

import yaml
from pydantic import TypeAdapter, ValidationError

from ddtas.errors import KubeconfigError
from ddtas.plan.reasons import Reason
from ddtas.schema.types import Name

MAX_BYTES = 64 * 1024
_MAX_DEPTH = 12
_MAX_NODES = 2000
_HOST = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?|[0-9A-Fa-f]*:[0-9A-Fa-f:.]+")
_LONGEST_HOST = 253
_BASE: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_KNOWN = ("bool", "null", "map", "seq", "str")


class _Loader(_BASE):  # type: ignore[misc] # of two classes, one of them compiled
    """Texts, lists, mappings, true, false and null: no number, which of many colons would take long to work out."""

    yaml_implicit_resolvers: ClassVar = {
        first: [(tag, pattern) for tag, pattern in found if tag.rpartition(":")[2] in _KNOWN]
        for first, found in _BASE.yaml_implicit_resolvers.items()
    }
    yaml_constructors: ClassVar = {
        tag: made for tag, made in _BASE.yaml_constructors.items() if tag is None or tag.rpartition(":")[2] in _KNOWN
    }


_NAME = TypeAdapter(Name)

# Fields without a meaning for this operator.
_HARMLESS = frozenset({"extensions", "disable-compression"})
_CLUSTER = frozenset({"server", "certificate-authority-data", "tls-server-name"})
_USER = frozenset({"token", "client-certificate-data", "client-key-data"})
_CONTEXT = frozenset({"cluster", "user", "namespace"})
_WHY = {
    "exec": "it runs a program: use a token or a client certificate",
    "auth-provider": "it runs a program: use a token or a client certificate",
    "certificate-authority": "it is the path of a file: put the certificates into certificate-authority-data",
    "client-certificate": "it is the path of a file: put the certificate into client-certificate-data",
    "client-key": "it is the path of a file: put the key into client-key-data",
    "tokenFile": "it is the path of a file: put the token into token",
    "proxy-url": "the cluster must be reached without a proxy",
    "insecure-skip-tls-verify": "it would trust any server: put its authority into certificate-authority-data",
    "username": "passwords are not taken: use a token or a client certificate",
    "password": "passwords are not taken: use a token or a client certificate",
    "as": "nobody is impersonated: use the token of an account that has the rights itself",
    "as-uid": "nobody is impersonated: use the token of an account that has the rights itself",
    "as-groups": "nobody is impersonated: use the token of an account that has the rights itself",
    "as-user-extra": "nobody is impersonated: use the token of an account that has the rights itself",
}


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach a cluster. Its repr shows no secret.

    Attributes:
        server: https URL, without a slash at the end.
        namespace: the one that workloads go to.
        authority: certificates (PEM) to trust; "" for the public ones.
        token: of a service account; "" where there is a client certificate.
        certificate: of the client (PEM), or "".
        key: of that certificate (PEM), or "".
        server_name: in the server's certificate, where it is not the URL's host; or "".
    """

    server: str
    namespace: str
    authority: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    certificate: str = field(default="", repr=False)
    key: str = field(default="", repr=False)
    server_name: str = ""


def parse(text: bytes) -> Access:
    """The cluster, user and namespace of the current context.

    Raises:
        KubeconfigError: KubeconfigInvalid or KubeconfigForbidden. The message names the field, never its value.
    """
    config = _mapping(_load(text), "the kubeconfig")
    current = _text(config, "current-context", "the kubeconfig")
    context = _entry(config, "contexts", "context", current, _CONTEXT)
    if not context.get("namespace"):
        # kubectl would take "default", which nobody has prepared.
        raise _invalid("its current context has no namespace: name the one that was prepared for workloads")
    try:
        namespace = _NAME.validate_python(_text(context, "namespace", "its current context"))
    except ValidationError:
        raise _invalid("the namespace of its current context is not the name of a namespace") from None
    cluster = _entry(config, "clusters", "cluster", _text(context, "cluster", "its current context"), _CLUSTER)
    user = _entry(config, "users", "user", _text(context, "user", "its current context"), _USER)
    certificate = _pem(user, "client-certificate-data", "its user")
    key = _pem(user, "client-key-data", "its user")
    token = _text(user, "token", "its user") if user.get("token") else ""
    if bool(certificate) != bool(key):
        raise _invalid("its user has one of client-certificate-data and client-key-data, and needs both")
    if not token and not certificate:
        raise _invalid("its user has neither a token nor client-certificate-data")
    if not token.isascii() or not token.isprintable() or " " in token:
        raise _invalid("the token of its user has characters that no token has (a newline at the end?)")
    return Access(
        server=_server(_text(cluster, "server", "its cluster")),
        namespace=namespace,
        authority=_pem(cluster, "certificate-authority-data", "its cluster"),
        token=token,
        certificate=certificate,
        key=key,
        server_name=_server_name(cluster),
    )


def _invalid(message: str) -> KubeconfigError:
    return KubeconfigError(Reason.KUBECONFIG_INVALID, message)


def _load(text: bytes) -> Any:
    if len(text) > MAX_BYTES:
        raise _invalid(f"it has {len(text)} bytes, at most {MAX_BYTES} are read: leave other contexts out")
    try:
        content = text.decode()
        depth = 0
        for number, event in enumerate(yaml.parse(content, Loader=_Loader)):
            if number > _MAX_NODES:
                raise _invalid(f"it has more than {_MAX_NODES} parts: leave other contexts out")
            # A few lines of aliases can stand for more than there is memory for.
            if isinstance(event, yaml.AliasEvent):
                raise _invalid("it has a YAML alias (*name): write the value out")
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > _MAX_DEPTH:
                raise _invalid(f"it is nested more than {_MAX_DEPTH} levels deep")
        return yaml.load(content, Loader=_Loader)  # noqa: S506 - a safe loader
    except (yaml.YAMLError, ValueError, RecursionError):  # ValueError: not UTF-8, or a date that is none
        raise _invalid("it is not YAML") from None


def _mapping(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise _invalid(f"{what} is not a mapping")
    return value


def _entry(config: dict[str, Any], part: str, word: str, name: str, allowed: frozenset[str]) -> dict[str, Any]:
    """One of the named entries: `{name: NAME, cluster: {…}}`; refuses fields that may not be."""
    entries = config.get(part)
    named = [e for e in entries if isinstance(e, dict) and e.get("name") == name] if isinstance(entries, list) else []
    if len(named) != 1:
        raise _invalid(f"{part} has {len(named) or 'no'} entries with the name that is referred to, and needs one")
    entry = _mapping(named[0].get(word), f"the entry of {part}")
    # What is set to nothing, as some tools write it, is not set.
    for key in sorted(key for key, value in entry.items() if value and key not in allowed | _HARMLESS):
        if key in _WHY:
            raise KubeconfigError(Reason.KUBECONFIG_FORBIDDEN, f"its {word} has {key}: {_WHY[key]}")
        raise KubeconfigError(Reason.KUBECONFIG_FORBIDDEN, f"its {word} has a field that is not known: remove it")
    return entry


def _text(entry: dict[str, Any], key: str, what: str) -> str:
    value = entry.get(key)
    if not isinstance(value, str) or not value:
        raise _invalid(f"{what} has no {key}")
    return value


def _pem(entry: dict[str, Any], key: str, what: str) -> str:
    if not entry.get(key):
        return ""
    try:
        pem = b64decode(_text(entry, key, what), validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        pem = ""
    if "-----BEGIN " not in pem:
        raise _invalid(f"{key} of {what} is not base64 of PEM")
    return pem


def _server_name(cluster: dict[str, Any]) -> str:
    """A host name or an address, as a certificate has it; OpenSSL would read one with a NUL up to there."""
    if not cluster.get("tls-server-name"):
        return ""
    name = _text(cluster, "tls-server-name", "its cluster")
    if not _HOST.fullmatch(name) or len(name) > _LONGEST_HOST:
        raise _invalid("tls-server-name of its cluster is neither a host name nor an address")
    return name


def _server(url: str) -> str:
    try:
        parts = urlsplit(url)
        usable = parts.port != 0 and bool(parts.hostname) and not (parts.query or parts.fragment)
        bare = parts.username is None and parts.password is None
    except ValueError:
        usable = bare = False
    if not usable or not bare or not url.isascii() or not url.isprintable() or " " in url:
        raise _invalid("server of its cluster is not the URL of an API server, such as https://api.example:6443")
    if parts.scheme != "https":
        raise KubeconfigError(Reason.KUBECONFIG_FORBIDDEN, "server of its cluster is not https: nothing else is safe")
    return url.rstrip("/")
