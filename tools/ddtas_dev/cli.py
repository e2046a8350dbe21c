"""The command line of ``./dev``."""

import argparse
import os
import shutil
import sys
from collections.abc import Sequence

from ddtas_dev import bench, binaries, checks, cluster, images, mutate, paths, testing
from ddtas_dev.console import DevError, say
from ddtas_dev.demo import demo
from ddtas_dev.shell import succeeds

WRAPPED = ("kubectl", "helm")


def main(argv: Sequence[str]) -> int:
    """Run one command; errors that a person can act on are printed without a trace."""
    try:
        if argv and argv[0] in WRAPPED:
            _wrap(argv[0], argv[1:])
        ours, pytest_arguments = _split(argv)
        args = _parser().parse_args(ours)
        args.pytest_arguments = pytest_arguments
        code = int(args.run(args))
        sys.stdout.flush()
        return code
    except DevError as error:
        say(f"error: {error}")
        return 1
    except BrokenPipeError:
        # The reader has seen enough (`./dev ... | head`): nothing to complain about, and nothing more to flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        say("interrupted")
        return 130


def _split(argv: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """What follows `--` is for pytest, or for the benchmark."""
    if "--" not in argv:
        return argv, []
    at = argv.index("--")
    return argv[:at], argv[at + 1 :]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="./dev", description="Everything that development needs, with one command.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, text: str, run: object) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=text, description=text)
        made.set_defaults(run=run)
        return made

    access = argparse.ArgumentParser(add_help=False)
    access.add_argument("--name", help=f"name of the cluster (default: {cluster.DEMO})")
    access.add_argument("--kubeconfig", help="use this cluster as it is, make none")
    access.add_argument("--context", help="a context of that kubeconfig")

    text = "a cluster on this machine: kind where Docker is, else processes of its own"
    verbs = commands.add_parser("cluster", help=text, description=text).add_subparsers(required=True, metavar="VERB")
    for verb, run in (("up", _up), ("down", _down), ("status", _status)):
        made = verbs.add_parser(verb, parents=[access] if verb == "up" else [])
        if verb != "up":
            made.add_argument("--name", help=f"name of the cluster (default: {cluster.DEMO})")
        made.add_argument(
            "--no-node",
            action="store_true",
            help=f"control plane and a fake node only: fast, needs no root; its default name is {cluster.TEST}",
        )
        made.set_defaults(run=run)

    for name in WRAPPED:
        command(name, f"{name} of the pinned version, for the cluster that runs (or KUBECONFIG)", None)
    command("images", "build this project's images and load them into the cluster", _images).add_argument("--name")
    command("check", "style, types, layers, generated files", _check)
    tests = command("test", "checks and tests; what follows -- is for pytest", _test)
    tests.add_argument("layers", nargs="*", metavar="LAYER", help=f"some of {', '.join(testing.LAYERS)}")
    tests.add_argument("--keep", action="store_true", help="leave the clusters running afterwards")
    demonstration = commands.add_parser("demo", parents=[access], help="bring up everything and show it")
    demonstration.add_argument(
        "--registry", help="where that cluster finds the images, such as registry.example/project"
    )
    demonstration.set_defaults(run=demo)
    benchmark = command("bench", "measure; what follows -- is for the benchmark", _bench)
    benchmark.add_argument("benchmark", choices=bench.BENCHMARKS)
    mutants = command("mutate", "put small faults into modules, and show which of them no test notices", _mutate)
    mutants.add_argument("targets", nargs="+", metavar="PATH", help="in operator/ddtas, such as plan/runs")
    command("clean", "stop the clusters and remove all caches", _clean)
    return parser


def _wrap(tool: str, arguments: Sequence[str]) -> None:
    environment = {**os.environ, "KUBECONFIG": cluster.access_of_running()}
    path = binaries.ensure_one(tool)
    os.execve(path, [tool, *arguments], environment)  # noqa: S606


def _name(args: argparse.Namespace) -> str:
    return str(args.name or (cluster.TEST if args.no_node else cluster.DEMO))


def _up(args: argparse.Namespace) -> int:
    running = cluster.up(_name(args), not args.no_node, args.kubeconfig, args.context)
    print(f"export KUBECONFIG={running.kubeconfig}")
    return 0


def _down(args: argparse.Namespace) -> int:
    name = _name(args)
    existed = name in cluster.names()
    cluster.down(name)
    say(f"cluster {name} is gone" if existed else f"there is no cluster {name}, and nothing of it is left")
    return 0


def _status(args: argparse.Namespace) -> int:
    chosen = [_name(args)] if args.name or args.no_node else cluster.names()
    for name in chosen:
        print(cluster.status(name))
    if not chosen:
        print("there is no cluster: start one with `./dev cluster up`")
    return 0


def _images(args: argparse.Namespace) -> int:
    built = images.build_all()
    name = args.name or cluster.DEMO
    if cluster.is_up(name):
        cluster.up(name).load(list(built.values()))
    else:
        say(f"not loaded: cluster {name} does not run a node (./dev cluster up --name {name})")
    for image in built.values():
        print(image.reference)
    return 0


def _check(args: argparse.Namespace) -> int:
    return 0 if checks.run_all() else 1


def _test(args: argparse.Namespace) -> int:
    if unknown := set(args.layers) - set(testing.LAYERS):
        raise DevError(f"no such layer: {', '.join(sorted(unknown))}; there are {', '.join(testing.LAYERS)}")
    return testing.test(args.layers, args.pytest_arguments, args.keep)


def _bench(args: argparse.Namespace) -> int:
    return bench.bench(args.benchmark, args.pytest_arguments)


def _mutate(args: argparse.Namespace) -> int:
    return mutate.mutate(args.targets, args.pytest_arguments)


def _clean(args: argparse.Namespace) -> int:
    for name in cluster.names():
        cluster.down(name)
    # A base image that was being made when the machine went down may have left a mount in there.
    succeeds(["umount", "--recursive", paths.cache() / "base-root" / "proc"])
    shutil.rmtree(paths.cache(), ignore_errors=True)
    shutil.rmtree(paths.state(), ignore_errors=True)
    say(f"removed {paths.cache()} and {paths.state()}")
    return 0
