"""Signatures against the examples that AWS documents.

"Examples: Signature Calculations" in
https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html, with the keys that AWS made up for them.
"""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from ddtas.data.wire.sigv4 import Keys, sign

KEYS = Keys("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "us-east-1")
HOST = "examplebucket.s3.amazonaws.com"
WHEN = datetime(2013, 5, 24, tzinfo=UTC)


@pytest.mark.parametrize(
    ("path", "query", "headers", "signature"),
    [
        (
            "/test.txt",
            [],
            {"Range": "bytes=0-9"},
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        ),
        ("/", [("lifecycle", "")], {}, "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
        (
            "/",
            [("prefix", "J"), ("max-keys", "2")],  # in any order
            {},
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        ),
    ],
)
def test_signs_as_aws_documents(
    path: str, query: list[tuple[str, str]], headers: dict[str, str], signature: str
) -> None:
    signed = sign(KEYS, HOST, path, query, headers, WHEN)
    assert signed["Authorization"].rpartition("Signature=")[2] == signature
    assert "Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request," in signed["Authorization"]
    assert headers.items() <= signed.items()


def test_the_time_counts_in_utc() -> None:
    elsewhere = WHEN.astimezone(timezone(timedelta(hours=-10)))
    assert sign(KEYS, HOST, "/", [], {}, elsewhere) == sign(KEYS, HOST, "/", [], {}, WHEN)


def test_the_secret_is_not_shown() -> None:
    assert KEYS.secret_access_key not in repr(KEYS)
    assert KEYS.secret_access_key not in str(sign(KEYS, HOST, "/", [], {}, WHEN))
