"""AWS Signature Version 4, as S3 takes it in headers. Pure.

https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
"""

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import quote

NO_BODY = hashlib.sha256(b"").hexdigest()
_ALGORITHM = "AWS4-HMAC-SHA256"
_SERVICE = "s3"


@dataclass(frozen=True)
class Keys:
    """An access key, and in which region it is used."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    region: str


def sign(
    keys: Keys,
    host: str,
    path: str,
    query: Iterable[tuple[str, str]],
    headers: Mapping[str, str],
    when: datetime,
    *,
    method: str = "GET",
) -> dict[str, str]:
    """Sign a request without a body.

    Args:
        keys: to sign with.
        host: as in the `Host` header: with the port, where it is not the scheme's own.
        path: not encoded.
        query: names and values, not encoded.
        headers: that are sent besides, and signed too.
        when: it is sent; aware. Servers take 15 minutes more or less.
        method: of HTTP.

    Returns:
        The given headers, and those that carry the signature; without `Host`, which the client sends.
    """
    time = when.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{time[:8]}/{keys.region}/{_SERVICE}/aws4_request"
    sent = {**headers, "x-amz-content-sha256": NO_BODY, "x-amz-date": time}
    signed = {name.lower(): " ".join(value.split()) for name, value in {**sent, "host": host}.items()}
    names = ";".join(sorted(signed))
    canonical = "\n".join(
        [
            method,
            _encode(path, "/"),  # S3, unlike other services, encodes once and leaves dots and double slashes
            "&".join("=".join(pair) for pair in sorted((_encode(name), _encode(value)) for name, value in query)),
            *(f"{name}:{signed[name]}" for name in sorted(signed)),
            "",
            names,
            NO_BODY,
        ]
    )
    text = "\n".join([_ALGORITHM, time, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{keys.secret_access_key}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    credential = f"{keys.access_key_id}/{scope}"
    sent["Authorization"] = f"{_ALGORITHM} Credential={credential},SignedHeaders={names},Signature={signature}"
    return sent


def _encode(text: str, safe: str = "") -> str:
    return quote(text, safe=f"{safe}-_.~")
