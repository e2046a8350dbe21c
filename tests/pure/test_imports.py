"""What nobody uses is not imported into an operator: it would stay in its memory."""

import subprocess
import sys

import pytest

from ddtas.imports import leave_out_init

PROGRAM = """
import sys
from ddtas.imports import leave_out_init
leave_out_init("kubernetes")
import ddtas.handlers
from kubernetes.aio.client import ApiClient
UNUSED = {"requests", "oauthlib", "websocket", "multiprocessing", "shapely", "pyproj", "pint", "pyarrow", "psycopg"}
print(*sorted(UNUSED & {m.partition(".")[0] for m in sys.modules}), *(m for m in sys.modules if m == "ddtas.reference"))
"""


def test_an_operator_has_neither_the_synchronous_client_nor_what_confined_processes_use() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_what_is_imported_stays() -> None:
    before = sys.modules["json"]
    leave_out_init("json")
    assert sys.modules["json"] is before


def test_a_package_that_is_not_there_is_named() -> None:
    with pytest.raises(ModuleNotFoundError, match="no_such_package"):
        leave_out_init("no_such_package")
