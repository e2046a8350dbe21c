"""The demonstration."""

import argparse

from ddtas_dev import cluster, images
from ddtas_dev.console import say


def demo(args: argparse.Namespace) -> int:
    """Bring the cluster up with the project's images in it."""
    running = cluster.up(args.name or cluster.DEMO, True, args.kubeconfig, args.context)
    running.load(list(images.build_all().values()))
    say(f"export KUBECONFIG={running.kubeconfig}")
    return 0
