"""For the operator's process: Services have no pods on a fake node, so their names lead to this machine. And its clock
may go wrong, by the seconds that the file DDTAS_TEST_CLOCK has. What holds its event loop is written to LOOP_HOLDS.
"""

import datetime as module
import os
import socket
from pathlib import Path
from typing import Any

_getaddrinfo = socket.getaddrinfo


def _here(host: Any, *args: Any, **kwargs: Any) -> Any:
    name = host.decode() if isinstance(host, bytes) else host
    return _getaddrinfo("127.0.0.1" if isinstance(name, str) and name.endswith(".svc") else host, *args, **kwargs)


socket.getaddrinfo = _here

_real = module.datetime


class _AnyDatetime(type):
    """What was made by others is a datetime as well."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, _real)

    def __subclasscheck__(cls, other: type) -> bool:
        return issubclass(other, _real)


class _Wrong(_real, metaclass=_AnyDatetime):
    @classmethod
    def now(cls, tz: Any = None) -> Any:
        return _real.now(tz) + module.timedelta(seconds=float(Path(os.environ["DDTAS_TEST_CLOCK"]).read_text() or 0))


if "DDTAS_TEST_CLOCK" in os.environ:
    module.datetime = _Wrong  # type: ignore[misc]

# Probes look names up in processes of their own, which have no environment, and so not this module either.
from ddtas.confined import client  # noqa: E402

client._BOOT = client._BOOT.replace("from ddtas", "import sitecustomize; from ddtas")
if os.environ.get("LOOP_HOLDS"):
    import loop_holds

    loop_holds.write_to(os.environ["LOOP_HOLDS"])
