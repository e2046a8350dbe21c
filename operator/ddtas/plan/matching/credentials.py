"""Whether the credentials that a data source names are there: without them, it is not probed."""

from collections.abc import Mapping

from ddtas import names
from ddtas.api.platform import DataSource
from ddtas.plan.reasons import Reason
from ddtas.plan.snapshot import Secret, SourceObservation


def credentials_missing(source: DataSource, secrets: Mapping[str, Secret]) -> SourceObservation | None:
    """What is known of a source whose Secret is not complete; None where it has all that it needs.

    Args:
        source: of the platform.
        secrets: the credentials in the platform's namespace, by name.
    """
    auth = source.credentials
    if auth is None:
        return None
    secret = secrets.get(auth.secret_name)
    if secret is not None and all(key in secret.data for key in auth.keys):
        return None
    text = f"Secret {auth.secret_name} is missing, lacks a key, or has no label {names.LABEL_CREDENTIALS}"
    return SourceObservation("Unreachable", Reason.CREDENTIALS_MISSING, text)
