"""What the app sees: a folder for each requirement, which is replaced as a whole.

/data/<requirement> is a link to a folder below /data/.tables, and is renamed over: who opens a file in it has that of
one fetch. The folder before stays until the next one, for those that are still at it.
"""

import json
import os
import shutil
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ddtas.data.delivery.report import FetchFault
from ddtas.runner.about import ABOUT

_TABLES = ".tables"
STARTED = ".started"
_NOTHING = "nothing"


def tables(data: Path) -> Path:
    """Where the folders of the tables are."""
    return data / _TABLES


def show(data: Path, name: str, folder: Path) -> None:
    """Let the app see a folder under the name of its requirement."""
    link = data / name
    before = Path(os.readlink(link)).name if link.is_symlink() else ""
    for old in tables(data).glob(f"{name}.table-*"):
        if old.name not in (folder.name, before):
            shutil.rmtree(old, ignore_errors=True)
    _link(data, name, folder.name)


def clear(data: Path) -> None:
    """Remove what a process before this one was at when it was killed. Tables stay until the next one is shown."""
    for folder in tables(data).glob("*.work-*"):
        shutil.rmtree(folder, ignore_errors=True)


def show_nothing(data: Path, name: str, fault: FetchFault) -> None:
    """Say in about.json that there is no table yet, and why; does nothing where there is one."""
    if (data / name).is_symlink() and (data / name / ABOUT).is_file() and _about(data, name).get("available"):
        return
    folder = tables(data) / f"{name}.{_NOTHING}"
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / ABOUT, {"requirement": name, "available": False, "reason": fault.reason, "message": fault.message})
    _link(data, name, folder.name)


def say_state(data: Path, name: str, fault: FetchFault | None) -> None:
    """Say in about.json of a table when it was compared with its source last, and why that failed where it did."""
    about = _about(data, name)
    if not about.get("available"):
        return
    about |= {"checkedAt": datetime.now(UTC).isoformat(timespec="seconds")}
    about.pop("problem", None)
    if fault is not None:
        about["problem"] = {"reason": fault.reason, "message": fault.message}
    _write(data / name / ABOUT, about)


def started(data: Path) -> None:
    """Let the app start."""
    (data / STARTED).touch()


def _about(data: Path, name: str) -> dict[str, Any]:
    with suppress(OSError, ValueError):
        found = json.loads((data / name / ABOUT).read_text("utf-8"))
        return found if isinstance(found, dict) else {}
    return {}


def _write(file: Path, about: dict[str, Any]) -> None:
    new = file.with_name(f".{file.name}.new")
    new.write_text(json.dumps(about, ensure_ascii=False, indent=1) + "\n", "utf-8")
    new.chmod(0o644)
    os.replace(new, file)


def _link(data: Path, name: str, folder: str) -> None:
    new = data / f".{name}.new"
    with suppress(FileNotFoundError):
        new.unlink()
    new.symlink_to(f"{_TABLES}/{folder}")
    os.replace(new, data / name)
