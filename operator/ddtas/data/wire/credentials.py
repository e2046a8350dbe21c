"""Credentials as HTTP takes them.

What a Secret holds is checked before it is used: a newline at the end of a value is a common slip, and must not get
into a header.
"""

import base64
from urllib.parse import quote_plus

from ddtas.data.session import Session, SourceReason


def headers(session: Session) -> dict[str, str]:
    """The headers that authorise each request; none for schemes that work otherwise.

    Raises:
        SourceError: Unauthorized when a value is missing, or cannot be sent.
    """
    auth = session.target.auth
    if auth is None:
        return {}
    match auth.scheme:
        case "Basic":
            return {"Authorization": _basic(value(session, "username", forbidden=":"), value(session, "password"))}
        case "Bearer":
            return {"Authorization": f"Bearer {value(session, 'token', ascii_only=True)}"}
        case "ApiKey":
            return {auth.effective_header or "": value(session, "api-key", ascii_only=True)}
        case "OAuth2ClientCredentials" | "MutualTLS" | "SigV4":
            return {}


def oauth_client(session: Session) -> dict[str, str]:
    """The headers for the token URL of OAuth 2.0: RFC 6749, section 2.3.1, with both values form-encoded.

    Raises:
        SourceError: as `headers`.
    """
    identity, password = (quote_plus(value(session, key)) for key in ("client-id", "client-secret"))
    return {"Authorization": _basic(identity, password)}


def _basic(identity: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{identity}:{password}'.encode()).decode()}"


def value(session: Session, key: str, *, forbidden: str = "", ascii_only: bool = False) -> str:
    """One value of the Secret.

    Args:
        session: whose Secret.
        key: of the value.
        forbidden: characters that it may not have, besides those that cannot be printed.
        ascii_only: it may have no others.

    Raises:
        SourceError: Unauthorized when it is missing, empty, or cannot be sent.
    """
    text = (session.target.secret or {}).get(key, "")
    usable = text and text.isprintable() and not (ascii_only and not text.isascii())
    if not usable or any(character in text for character in forbidden):
        raise session.error(
            SourceReason.UNAUTHORIZED,
            f"could not be read: {key} of its Secret is missing, or has characters that it may not have (a "
            "newline at the end?): correct the Secret",
        )
    return text
