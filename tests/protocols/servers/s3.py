"""An S3 server that checks signatures: Versity S3 Gateway on a folder, with two buckets and two accounts."""

import contextlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from ddtas_dev import servers_registry

from .http_client import Answer, ask
from .process import HOST, Server, ServerError, free_port, http_answers, running
from .sigv4 import Keys, sign

REGION = "eu-west-1"
BUCKET = "city"
CLOSED_BUCKET = "archive"
# Who may do anything, and who may only list and read the bucket `city`.
OWNER = Keys("owner", "owner-secret-0123456789")
READER = Keys("reader", "reader-secret-0123456789")
WRONG_SECRET = Keys(READER.access_key, "not-the-secret-of-reader")
UNKNOWN = Keys("nobody", "nobody-secret-0123456789")
_HEALTH = "/health"


@dataclass(frozen=True)
class S3Server(Server):
    """The server; ``url`` is the endpoint, and buckets are its first path element."""

    region: str = REGION
    bucket: str = BUCKET
    closed_bucket: str = CLOSED_BUCKET
    owner: Keys = OWNER
    reader: Keys = READER
    wrong_secret: Keys = WRONG_SECRET
    unknown: Keys = UNKNOWN

    def ask(
        self,
        method: str,
        path: str,
        keys: Keys | None,
        *,
        parameters: Mapping[str, str] | None = None,
        body: bytes = b"",
        now: datetime | None = None,
    ) -> Answer:
        """One request, signed when there are keys; ``path`` is a bucket or a bucket and a key, not encoded."""
        url = f"{self.url}/{path}"
        # An empty signature of nobody still makes the right URL.
        address, headers = sign(
            method, url, keys or UNKNOWN, region=self.region, parameters=parameters, body=body, now=now
        )
        return ask(method, address, headers=headers if keys else {}, body=body or None)


@contextlib.contextmanager
def s3(directory: Path) -> Iterator[S3Server]:
    """Run it with all its data under a folder, loaded with ``objects()`` in `city` and one object in `archive`.

    `reader` may list and read `city`, and nothing else; `owner` may do anything. Raises ServerError.
    """
    port = free_port()
    server = S3Server(url=f"http://{HOST}:{port}", host=HOST, port=port, log=directory / "s3.log")
    folders = {name: directory / name for name in ("data", "metadata", "accounts")}
    for folder in folders.values():
        folder.mkdir(parents=True, exist_ok=True)
    account = {"access": READER.access_key, "secret": READER.secret_key, "role": "user"}
    (folders["accounts"] / "users.json").write_text(json.dumps({"accessAccounts": {READER.access_key: account}}))
    command: list[str | Path] = [
        servers_registry.s3_server(),
        *("--port", f"{HOST}:{port}", "--region", REGION, "--health", _HEALTH, "--iam-dir", folders["accounts"]),
        # A folder for metadata, since not every file system has extended attributes.
        *("posix", "--sidecar", folders["metadata"], folders["data"]),
    ]
    env = {"ROOT_ACCESS_KEY": OWNER.access_key, "ROOT_SECRET_KEY": OWNER.secret_key}
    with running(command, log=server.log, ready=http_answers(server.url + _HEALTH), env=env):
        _load(server)
        yield server


def objects(year: int = 2025) -> dict[str, bytes]:
    """What is in `city`, by key: hourly levels of this year and the year before, and trees as GeoJSON."""
    return {
        f"levels/{year - 1}.csv": _levels(year - 1),
        f"levels/{year}.csv": _levels(year),
        "trees.geojson": _trees(),
    }


def _levels(year: int) -> bytes:
    start, hours = datetime(year, 1, 1, tzinfo=UTC), 24 * (date(year + 1, 1, 1) - date(year, 1, 1)).days
    rows = (
        f"{(start + timedelta(hours=hour)):%Y-%m-%dT%H:%M:%SZ},{0.4 + 0.3 * math.sin(hour / 24):.3f}\n"
        for hour in range(hours)
    )
    return ("time,level\n" + "".join(rows)).encode()


def _trees() -> bytes:
    features = [
        {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": [4.30 + number / 1000, 52.07]},
            "properties": {"id": number, "species": "Quercus robur"},
        }
        for number in range(10)
    ]
    return json.dumps({"type": "FeatureCollection", "features": features}).encode()


def _load(server: S3Server) -> None:
    may_read = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"AWS": [READER.access_key]},
                "Action": ["s3:ListBucket", "s3:GetObject"],
                "Resource": [f"arn:aws:s3:::{BUCKET}", f"arn:aws:s3:::{BUCKET}/*"],
            }
        ],
    }
    _put(server, BUCKET)
    _put(server, CLOSED_BUCKET)
    _put(server, BUCKET, json.dumps(may_read).encode(), {"policy": ""})
    for key, content in objects().items():
        _put(server, f"{BUCKET}/{key}", content)
    _put(server, f"{CLOSED_BUCKET}/levels/2025.csv", b"time,level\n")


def _put(server: S3Server, path: str, body: bytes = b"", parameters: Mapping[str, str] | None = None) -> None:
    answer = server.ask("PUT", path, OWNER, body=body, parameters=parameters)
    if answer.status not in (200, 204):
        raise ServerError(f"the S3 server refused to store {path}: {answer.status} {answer.body.decode()}")
