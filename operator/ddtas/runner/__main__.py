"""`python -m ddtas.runner fetch|follow|score`: before a run, beside what serves, or after a run that is judged."""

import argparse
import asyncio
import logging
import os
import signal
import sys

from ddtas.data.delivery.report import FetchReport
from ddtas.runner.fetch import FetchError, fetch_all, write_report
from ddtas.runner.follow import follow
from ddtas.runner.score import ScorePlaces, score_run
from ddtas.runner.settings import Places


def main() -> int:
    """Run a command.

    `fetch` ends with 0 where all tables were made, and with 1 where not; `score` ends with 0 where it could judge,
    whatever the verdict. Their reports say why.
    """
    parser = argparse.ArgumentParser(
        prog="ddtas.runner", description="Fetches the data of an app as tables, and scores what it predicts."
    )
    parser.add_argument("command", choices=("fetch", "follow", "score"))
    command = parser.parse_args().command
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    if command == "score":
        return 0 if score_run(ScorePlaces.of_environment()) else 1
    os.umask(0o022)  # the app reads what is written here, as another user
    places = Places.of_environment()
    if command == "fetch":
        report = asyncio.run(fetch_all(places))
        write_report(places.report, report)
        return 0 if report.fault is None else 1
    try:
        asyncio.run(_follow(places))
    except FetchError as error:
        write_report(places.report, FetchReport(fault=error.fault))
        return 1
    return 0


async def _follow(places: Places) -> None:
    """Until SIGTERM: as process 1 of a container, Python would not end by it."""
    task = asyncio.ensure_future(follow(places))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        if not task.cancelled():
            raise


if __name__ == "__main__":
    sys.exit(main())
