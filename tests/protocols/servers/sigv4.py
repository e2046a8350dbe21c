"""AWS Signature Version 4 for S3, in full and independent of the code under test: to load data, and to judge."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote, urlencode, urlsplit


@dataclass(frozen=True)
class Keys:
    """A key pair, as a user of S3 has it."""

    access_key: str
    secret_key: str


def sign(
    method: str,
    url: str,
    keys: Keys,
    *,
    region: str,
    parameters: Mapping[str, str] | None = None,
    body: bytes = b"",
    now: datetime | None = None,
) -> tuple[str, dict[str, str]]:
    """The URL with its query, and the headers that make the request a signed one.

    ``url`` is without a query, its path not encoded. ``now`` (UTC) is for tests of old signatures.
    """
    parts = urlsplit(url)
    path = quote(parts.path or "/", safe="/-_.~")
    query = urlencode(sorted((parameters or {}).items()), quote_via=quote, safe="-_.~")
    time = (now or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{time[:8]}/{region}/s3/aws4_request"
    digest = hashlib.sha256(body).hexdigest()
    headers = {"host": parts.netloc, "x-amz-content-sha256": digest, "x-amz-date": time}
    names = ";".join(headers)
    canonical = [method, path, query, *(f"{name}:{value}" for name, value in headers.items()), "", names, digest]
    to_sign = ["AWS4-HMAC-SHA256", time, scope, hashlib.sha256("\n".join(canonical).encode()).hexdigest()]
    key = f"AWS4{keys.secret_key}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, "\n".join(to_sign).encode(), "sha256").hex()
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={keys.access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
    return f"{parts.scheme}://{parts.netloc}{path}" + (f"?{query}" if query else ""), headers
