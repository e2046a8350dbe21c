"""The pure parts of the development tooling: what decides about a rebuild, and what may be killed or removed."""

import doctest
import importlib
import json
from pathlib import Path

import pytest

from ddtas_dev import binaries, control_plane, demo, images, kind, launcher, node_config, paths
from ddtas_dev.layout import Layout


@pytest.mark.parametrize("module", ["console", "images", "node_cleanup", "pip_settings", "processes"])
def test_the_examples_in_the_docstrings_hold(module: str) -> None:
    outcome = doctest.testmod(importlib.import_module(f"ddtas_dev.{module}"))
    assert outcome.attempted > 0
    assert outcome.failed == 0


def test_every_binary_has_a_pinned_module() -> None:
    for module in binaries.MODULES:
        assert (module.folder / "go.sum").exists()
        assert module.go_version() >= (1, 26)
    assert binaries.module_of("kubelet").version() == "v1.36.3"


def test_a_changed_pin_is_built_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "GO_MODULES", tmp_path)
    module = binaries.Module("tool", {"tool": "."})
    module.folder.mkdir()
    (module.folder / "go.mod").write_text("module tool\n\ngo 1.26.0\n")
    before = module.key()
    assert module.key() == before
    (module.folder / "go.sum").write_text("example.org/x v1.0.0 h1:\n")
    assert module.key() != before


def test_an_image_is_rebuilt_only_when_a_file_changed_that_its_build_sees(tmp_path: Path) -> None:
    dockerfile = tmp_path / "Dockerfile"
    dockerfile.write_text("FROM scratch\nCOPY app /app\n")
    (tmp_path / ".dockerignore").write_text("*\n!app\n")
    (tmp_path / "app").mkdir()
    app = tmp_path / "app" / "main.py"
    app.write_text("1")
    before = images.content_key(tmp_path, dockerfile, "base:1")
    (tmp_path / "notes.txt").write_text("not for the image")
    assert images.content_key(tmp_path, dockerfile, "base:1") == before
    assert images.content_key(tmp_path, dockerfile, "base:2") != before
    app.write_text("2")
    assert images.content_key(tmp_path, dockerfile, "base:1") != before


def test_what_the_cache_has_of_seal_is_what_its_stage_makes() -> None:
    """Without Docker the stage is not built, but replaced by what was compiled before: from the same files."""
    text = (paths.REPO / "Dockerfile").read_text()
    stage = text.partition("AS build-seal\n")[2].partition("\nFROM ")[0]
    assert all(f"seal/{file}" in stage for file in launcher.FILES)
    assert './build "$(uname -m)" /opt/seal' in stage
    assert "COPY --from=build-seal /opt/seal /opt/runner/seal" in text


def test_kwok_leaves_the_real_node_alone() -> None:
    tools = dict.fromkeys(control_plane.BINARIES, Path("/bin/true"))
    config = control_plane.kwokctl_config(tools, Layout("a"), {})
    patches = {patch["name"]: patch["extraArgs"] for patch in config["componentsPatches"]}
    assert {"key": "manage-all-nodes", "value": "false"} in patches["kwok-controller"]


def test_the_node_keeps_to_its_own_folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    layout = Layout("a")
    kubelet = json.loads(node_config.kubelet(layout, Path("/etc/resolv.conf")))
    assert kubelet["podLogsDir"].startswith(str(tmp_path))
    assert kubelet["cgroupRoot"] == "/ddtas-a"
    assert str(layout.volatile) in node_config.containerd(layout, "overlayfs")


def test_kind_writes_the_same_audit_log() -> None:
    layout = Layout("a")
    text = json.dumps(kind.config(layout))
    assert str(layout.kind_audit_log.parent) in text
    assert "audit-policy-file" in text


def test_the_demonstration_shows_the_metrics_of_a_run_that_was_scored() -> None:
    """The calibration of an app with targets has parameters alone."""
    nse = {"name": "NSE", "value": "0.539", "low": "-0.65", "high": "0.84", "threshold": "> 0.50", "verdict": "Met"}
    windows = [{"start": "2015-01-01", "end": "2016-12-31"}]
    validation = {"outcome": "Passed", "assurance": "Sealed", "windows": windows, "metrics": [nse]}
    revision = {"calibration": {"outcome": "Passed", "parameters": [{"name": "Kq", "value": "0.5"}]}}
    shown = demo.evidence_tables({"status": {"revisions": [revision | {"validation": validation}]}})
    assert shown.splitlines() == [
        "  calibrated parameters",
        "    Kq  0.5",
        "  validation on 2015-01-01…2016-12-31: Passed, assurance Sealed",
        "    NSE  0.539  -0.65…0.84  > 0.50  Met",
    ]
