"""What the operator's own process imports: nothing that reads hostile input, and no library that is rarely used."""

import json
import subprocess
import sys

# Of which nothing may be loaded before a confined process needs it.
READERS = {"shapely", "pyproj", "pyarrow", "psycopg", "defusedxml", "numpy", "pint", "ijson", "ddtas.data.wire.http"}
_SHOW = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); import {module}; print(*sys.modules)"


def modules_of(module: str) -> set[str]:
    """The modules that a fresh interpreter has after an import."""
    command = [sys.executable, "-c", _SHOW.format(module=module), json.dumps(sys.path)]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


def test_the_operator_imports_none_of_what_reads_hostile_input() -> None:
    found = modules_of("ddtas.handlers")
    assert "ddtas.handlers" in found
    assert found.isdisjoint(READERS)


def test_a_probe_of_parquet_imports_no_reader_of_it() -> None:
    """The footer is read by a confined process of its own."""
    assert "pyarrow" not in modules_of("ddtas.data.kinds.http_parquet")
