"""Addresses of the web: absolute, http or https, without user info."""

from yarl import URL

from ddtas.data.session import Session, SourceReason

_URL_CHARACTERS = 4 * 1024  # of a link or redirect


def resolve(session: Session, url: str | None) -> URL:
    """The absolute form of a URL that may be relative to the endpoint as a directory.

    Raises:
        SourceError: AddressForbidden when it is no http(s) URL.
    """
    endpoint = absolute(session, session.target.endpoint)
    if url is None:
        return endpoint
    below = endpoint if endpoint.path.endswith("/") else endpoint.with_path(endpoint.path + "/", keep_query=True)
    return absolute(session, url, below)


def absolute(session: Session, text: str, base: URL | None = None, *, redirect: bool = False) -> URL:
    """An absolute http(s) URL without user info, which aiohttp would send as credentials.

    Raises:
        SourceError: AddressForbidden when it is none.
    """
    try:
        # Host names are encoded in quadratic time, and a link goes into a request.
        url = base.join(URL(text[:_URL_CHARACTERS])) if base else URL(text)
        if url.scheme in ("http", "https") and url.host and 0 < len(text) <= _URL_CHARACTERS:
            return url.with_user(None)
    except (ValueError, TypeError):  # no URL at all; its text says too much about a secret or a payload to show
        pass
    culprit = "redirects to what is" if redirect else "links to what is" if base else "is"
    raise session.error(
        SourceReason.ADDRESS_FORBIDDEN, f"{culprit} not a http or https URL: give the URL of the data itself"
    )
