"""Command line: run the operator, or print what is generated from its code: the CRDs, and the reference."""

import argparse
import sys
from pathlib import Path

from ddtas.imports import leave_out_init

ROOT = Path(__file__).resolve().parents[2]


def _generate(command: str, folder: str, pattern: str, generated: dict[str, str], arguments: argparse.Namespace) -> int:
    """Print the generated files, write them, or tell which of those that are there differ."""
    directory = ROOT / folder
    if arguments.write:
        directory.mkdir(exist_ok=True, parents=True)
        for name, content in generated.items():
            (directory / name).write_text(content)
    elif arguments.check:
        present = {path.name: path.read_text() for path in directory.glob(pattern)}
        stale = sorted(n for n in present.keys() | generated.keys() if present.get(n) != generated.get(n))
        for name in stale:
            print(f"{folder}/{name} does not match the code: run `python -m ddtas {command} --write`", file=sys.stderr)
        return 1 if stale else 0
    else:
        print("---\n".join(generated.values()), end="")
    return 0


def main() -> int:
    """Entry point; returns the exit code."""
    parser = argparse.ArgumentParser(prog="ddtas", description="The DDTAs operator.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("run", help="run the operator (settings come from the environment: DDTAS_*)")
    for command, what, where in (
        ("crds", "the CRDs", "crds/"),
        ("reference", "fields, settings, metrics and reasons, as Markdown", "docs/reference/"),
    ):
        generator = commands.add_parser(command, help=f"print {what}, or keep {where} up to date")
        group = generator.add_mutually_exclusive_group()
        group.add_argument("--write", action="store_true", help=f"write to {where}")
        group.add_argument("--check", action="store_true", help=f"exit 1 when {where} differs from the code")
    arguments = parser.parse_args()
    if arguments.command == "run":
        leave_out_init("kubernetes")
        from ddtas.handlers import run  # only `run` needs the framework, and the API server

        return run()
    from ddtas.api import crd  # and `run` needs no generators
    from ddtas.reference import pages

    if arguments.command == "reference":
        return _generate("reference", "docs/reference", "*.md", pages.files(), arguments)
    for fault in (faults := crd.undescribed()):
        print(fault, file=sys.stderr)
    return 1 if faults else _generate("crds", "crds", "*.yaml", crd.files(), arguments)


if __name__ == "__main__":
    sys.exit(main())
