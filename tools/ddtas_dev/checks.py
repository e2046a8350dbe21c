"""What can be checked without running the product: style, types, layers, and generated files that differ."""

import subprocess
import sys
import time
from pathlib import Path

from ddtas_dev.console import elapsed, say
from ddtas_dev.paths import REPO

PYTHON = sys.executable

CHECKS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("lint (fix: .venv/bin/ruff check --fix)", (PYTHON, "-m", "ruff", "check")),
    ("format (fix: .venv/bin/ruff format)", (PYTHON, "-m", "ruff", "format", "--check")),
    ("types", (PYTHON, "-m", "mypy")),
    ("layers", (str(Path(PYTHON).parent / "lint-imports"),)),
    ("CRDs (fix: .venv/bin/python -m ddtas crds --write)", (PYTHON, "-m", "ddtas", "crds", "--check")),
    ("reference (fix: .venv/bin/python -m ddtas reference --write)", (PYTHON, "-m", "ddtas", "reference", "--check")),
)


def run_all() -> bool:
    """Run every check, show what the failed ones said, and tell whether all passed."""
    failed = 0
    for name, command in CHECKS:
        start = time.monotonic()
        done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=False)
        passed = done.returncode == 0
        failed += not passed
        say(f"{'ok    ' if passed else 'FAILED'} {name}, {elapsed(time.monotonic() - start)}")
        if not passed:
            say((done.stdout + done.stderr).rstrip())
    return failed == 0
