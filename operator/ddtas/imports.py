"""Keeps what nobody here uses from being imported: it would stay in memory for as long as the operator runs.

The package `kubernetes` imports its synchronous client beside the asynchronous one, and with it requests, oauthlib,
websocket and multiprocessing: 230 modules, 7 MiB. Only `kubernetes.aio` is used (docs/decisions/0007).
"""

import sys
from importlib.util import find_spec, module_from_spec


def leave_out_init(package: str) -> None:
    """Have the parts of a package imported one by one, as they are named, and not what its `__init__` imports.

    Nothing happens where it has been imported already.

    Raises:
        ModuleNotFoundError: it is not installed.
    """
    spec = find_spec(package)
    if spec is None:
        raise ModuleNotFoundError(package)
    sys.modules.setdefault(package, module_from_spec(spec))
