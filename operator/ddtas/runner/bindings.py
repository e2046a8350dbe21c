"""The binding of a requirement, as files (servicebinding.io): where its source is, and with which credentials."""

from pathlib import Path

from ddtas.data.contract import DataKind
from ddtas.data.delivery.order import Delivery
from ddtas.data.session import SourceReason, Target
from ddtas.errors import SourceError

_MOST_BYTES = 64 * 1024


def target(folder: Path, delivery: Delivery, namespace: str) -> Target:
    """The source that a binding leads to. Its files are read each time, since credentials rotate.

    Raises:
        SourceError: InternalError where the binding is not as the operator makes it.
    """
    kind, endpoint = _entry(folder, "type"), _entry(folder, "uri")
    if kind not in set(DataKind) or not endpoint:
        raise SourceError(
            SourceReason.INTERNAL_ERROR, "the binding has no type or uri: this is a fault of the operator"
        )
    auth = delivery.credentials
    names = (*auth.keys, *auth.optional_keys) if auth is not None else ()
    secret = {name: value for name in names if (value := _entry(folder, name)) is not None}
    return Target(
        kind=DataKind(kind),
        endpoint=endpoint,
        contract=delivery.contract,
        physical_name=_entry(folder, "physical-name"),
        auth=auth,
        secret=secret if auth is not None else None,
        namespace=namespace,
        json_service=delivery.json_service,
    )


def _entry(folder: Path, name: str) -> str | None:
    try:
        with (folder / name).open("rb") as file:
            return file.read(_MOST_BYTES).decode()
    except (OSError, UnicodeDecodeError):
        return None
