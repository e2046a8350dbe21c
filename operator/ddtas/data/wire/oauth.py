"""Access tokens of OAuth 2.0."""

import http

import aiohttp

from ddtas.data.session import Session, SourceReason
from ddtas.data.wire import credentials
from ddtas.data.wire.answers import Answer, TooLongError, whole
from ddtas.data.wire.documents import parse_json
from ddtas.data.wire.sockets import Gate, forbidden
from ddtas.data.wire.urls import absolute


async def token(session: Session, connections: aiohttp.ClientSession, gate: Gate) -> dict[str, str]:
    """An access token by the OAuth 2.0 client credentials grant (RFC 6749, section 4.4), for this visit alone.

    The client's id and secret go by HTTP Basic to the token URL, which the platform team has named, and nowhere else:
    a redirect is not followed.

    Raises:
        SourceError: Unauthorized when there is no token; Unreachable or AddressForbidden about the token URL.
    """
    assert session.target.auth is not None  # noqa: S101 - the caller checked
    session.count_request()
    url = absolute(session, session.target.auth.token_url or "")
    form = {"grant_type": "client_credentials"}
    if session.target.auth.scope:
        form["scope"] = session.target.auth.scope
    headers = {"Accept": "application/json", **credentials.oauth_client(session)}
    refused = session.error(
        SourceReason.UNAUTHORIZED,
        "could not be read: the token URL gives no access token: correct the Secret, tokenUrl and scope in credentials",
    )
    try:
        async with connections.post(url, data=form, headers=headers, allow_redirects=False) as response:
            if response.status != http.HTTPStatus.OK:
                raise refused
            answer = parse_json(await whole(session, Answer(response, session)))
    except aiohttp.InvalidURL:
        raise session.error(
            SourceReason.ADDRESS_FORBIDDEN,
            "has a tokenUrl whose host is no valid name or address: correct the tokenUrl",
        ) from None
    except (aiohttp.ClientError, ConnectionError):  # a connection that takes too long among them
        if gate.refusals:
            raise forbidden(session, gate.refusals, "tokenUrl") from None
        raise session.error(
            SourceReason.UNREACHABLE,
            "could not be read: the token URL does not answer with valid HTTP, or has no TLS certificate that can "
            "be trusted: correct tokenUrl in credentials",
        ) from None
    except (ValueError, RecursionError, TooLongError):
        raise refused from None
    token = answer.get("access_token") if isinstance(answer, dict) else None
    if not isinstance(token, str) or not token.isascii() or not token.isprintable() or not token:
        raise refused
    session.tokens.append(token)
    return {"Authorization": f"Bearer {token}"}
