"""Command line: run the operator, or print the CRDs."""

import argparse
import sys
from pathlib import Path

from ddtas.api import crd

CRD_DIRECTORY = Path(__file__).resolve().parents[2] / "crds"


def _crds(*, write: bool, check: bool) -> int:
    generated = crd.files()
    if not (write or check):
        print("---\n".join(generated.values()), end="")
        return 0
    if write:
        CRD_DIRECTORY.mkdir(exist_ok=True)
        for name, content in generated.items():
            (CRD_DIRECTORY / name).write_text(content)
        return 0
    present = {path.name: path.read_text() for path in CRD_DIRECTORY.glob("*.yaml")}
    stale = sorted(name for name in present.keys() | generated.keys() if present.get(name) != generated.get(name))
    for name in stale:
        print(f"crds/{name} does not match the models: run `python -m ddtas crds --write`", file=sys.stderr)
    return 1 if stale else 0


def main() -> int:
    """Entry point; returns the exit code."""
    parser = argparse.ArgumentParser(prog="ddtas", description="The DDTAs operator.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("run", help="run the operator (settings come from the environment: DDTAS_*)")
    crds = commands.add_parser("crds", help="print the CRDs, or keep the files in crds/ up to date")
    group = crds.add_mutually_exclusive_group()
    group.add_argument("--write", action="store_true", help="write them to crds/")
    group.add_argument("--check", action="store_true", help="exit 1 when crds/ differs from the models")
    arguments = parser.parse_args()
    if arguments.command == "crds":
        return _crds(write=arguments.write, check=arguments.check)
    from ddtas.handlers import run  # only `run` needs the framework, and the API server

    return run()


if __name__ == "__main__":
    sys.exit(main())
