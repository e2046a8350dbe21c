"""For the operator's process: Services have no pods on a fake node, so their names lead to this machine."""

import socket
from typing import Any

_getaddrinfo = socket.getaddrinfo


def _here(host: Any, *args: Any, **kwargs: Any) -> Any:
    name = host.decode() if isinstance(host, bytes) else host
    return _getaddrinfo("127.0.0.1" if isinstance(name, str) and name.endswith(".svc") else host, *args, **kwargs)


socket.getaddrinfo = _here
