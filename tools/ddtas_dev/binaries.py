"""Kubernetes and its tools as Go binaries, built from the pinned modules in ``tools/go`` and cached.

The Go module proxy carries all of them, also where no image registry and no download site can be reached.
One folder of the cache belongs to one state of one module's files, so that a new pin never meets an old binary.
"""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ddtas_dev import paths
from ddtas_dev.console import DevError, Progress
from ddtas_dev.shell import failure, locked, succeeds

ASSETS_VARIABLE = "KUBEBUILDER_ASSETS"
FROM_ASSETS = frozenset({"etcd", "kube-apiserver", "kubectl"})


@dataclass(frozen=True)
class Module:
    """One Go module in ``tools/go``: what it builds, and the variable that tells a binary its own version."""

    name: str
    packages: Mapping[str, str]
    pinned: str = ""
    version_variable: str = ""

    @property
    def folder(self) -> Path:
        """Where its go.mod is."""
        return paths.GO_MODULES / self.name

    def version(self) -> str:
        """The pinned version of the software that is built, as go.mod has it."""
        found = re.search(rf"^\s*(?:require )?{re.escape(self.pinned)} (v\S+)", self._text("go.mod"), re.MULTILINE)
        if not found:
            raise DevError(f"{self.folder / 'go.mod'} does not require {self.pinned}: restore that line")
        return found[1]

    def go_version(self) -> tuple[int, ...]:
        """The oldest Go that builds it."""
        found = re.search(r"^go (\d+(?:\.\d+)*)", self._text("go.mod"), re.MULTILINE)
        return tuple(int(part) for part in found[1].split(".")) if found else (1, 26)

    def ldflags(self) -> str:
        """Linker flags: no debug tables (a third of the size), and the version where the software wants to be told."""
        stamp = f" -X {self.version_variable}={self.version()}" if self.version_variable else ""
        return f"-s -w{stamp}"

    def key(self) -> str:
        """Changes whenever the built binaries could."""
        digest = hashlib.sha256(self.ldflags().encode())
        for file in sorted(self.folder.iterdir()):
            digest.update(b"\0" + file.name.encode() + b"\0" + file.read_bytes())
        return digest.hexdigest()[:12]

    def _text(self, file: str) -> str:
        return (self.folder / file).read_text()


MODULES: tuple[Module, ...] = (
    Module(
        "kubernetes",
        {
            name: f"k8s.io/kubernetes/cmd/{name}"
            for name in (
                "kube-apiserver",
                "kube-controller-manager",
                "kube-scheduler",
                "kubectl",
                "kubelet",
                "kube-proxy",
            )
        },
        pinned="k8s.io/kubernetes",
        version_variable="k8s.io/component-base/version.gitVersion",
    ),
    Module("etcd", {"etcd": "go.etcd.io/etcd/server/v3"}),
    Module("kwok", {name: f"sigs.k8s.io/kwok/cmd/{name}" for name in ("kwok", "kwokctl")}),
    Module(
        "containerd",
        {
            name: f"github.com/containerd/containerd/v2/cmd/{name}"
            for name in ("containerd", "containerd-shim-runc-v2", "ctr")
        },
    ),
    Module("coredns", {"coredns": "."}),
    Module("networkpolicies", {"network-policies": "."}),
    Module("pause", {"pause": "."}),
    Module(
        "helm",
        {"helm": "helm.sh/helm/v4/cmd/helm"},
        pinned="helm.sh/helm/v4",
        version_variable="helm.sh/helm/v4/internal/version.version",
    ),
    Module("kind", {"kind": "sigs.k8s.io/kind"}),
    Module("versitygw", {"versitygw": "github.com/versity/versitygw/cmd/versitygw"}),
)


def module_of(binary: str) -> Module:
    """The module that builds a binary."""
    for module in MODULES:
        if binary in module.packages:
            return module
    known = ", ".join(sorted(name for module in MODULES for name in module.packages))
    raise DevError(f"no module in tools/go builds {binary!r}; known: {known}")


def ensure(*names: str) -> dict[str, Path]:
    """The paths of these binaries, built first where the cache lacks them."""
    found = {name: _from_assets(name) or _cached(name) for name in names}
    missing = [name for name, path in found.items() if not path.exists()]
    if missing:
        with locked(_bin() / ".lock", "it is building Go binaries"):
            # The process that held the lock may have built just these.
            missing = [name for name in missing if not found[name].exists()]
            batches = list(_batches(missing))
            for number, (module, binaries) in enumerate(batches, start=1):
                _build(module, binaries, f"{number} of {len(batches)}")
    return found


def ensure_one(name: str) -> Path:
    """The path of one binary, built first where the cache lacks it."""
    return ensure(name)[name]


def _bin() -> Path:
    return paths.cache() / "bin"


def _cached(name: str) -> Path:
    module = module_of(name)
    return _bin() / f"{module.name}-{module.key()}" / name


def _from_assets(name: str) -> Path | None:
    assets = os.environ.get(ASSETS_VARIABLE)
    if not assets or name not in FROM_ASSETS:
        return None
    path = Path(assets) / name
    return path if path.exists() else None


def _batches(names: list[str]) -> Iterator[tuple[Module, list[str]]]:
    for module in MODULES:
        binaries = [name for name in names if name in module.packages]
        if binaries:
            yield module, binaries


def _build(module: Module, names: list[str], position: str) -> None:
    _check_go(module)
    target = _bin() / f"{module.name}-{module.key()}"
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".building-", dir=_bin()) as scratch:
        # One invocation for all: they share most of their packages. A trailing slash makes -o a folder.
        output = f"{scratch}/{names[0]}" if len(names) == 1 else f"{scratch}/"
        packages = [module.packages[name] for name in names]
        command = [
            "go",
            "build",
            "-v",
            "-buildvcs=false",
            "-trimpath",
            "-ldflags",
            module.ldflags(),
            "-o",
            output,
            *packages,
        ]
        with Progress(f"building {', '.join(names)} ({position})") as progress:
            _go(command, module.folder, progress)
        for name in names:
            os.replace(f"{scratch}/{name}", target / name)


def _go(command: list[str], folder: Path, progress: Progress) -> None:
    compiled = 0
    complaints: list[str] = []
    env = {**os.environ, "CGO_ENABLED": "0"}
    with subprocess.Popen(command, cwd=folder, env=env, stderr=subprocess.PIPE, text=True) as build:
        for line in build.stderr or ():
            # With -v, go names each package that it compiles, and each module that it fetches.
            if re.fullmatch(r"[\w.~/+-]+", line.strip()):
                compiled += 1
                progress.detail = f"{compiled} packages compiled"
            elif line.startswith("go: downloading"):
                progress.detail = "downloading modules"
            else:
                complaints.append(line)
    if build.returncode != 0:
        hint = "Is the Go module proxy within reach (`go env GOPROXY`), and is the disk not full?"
        raise DevError(failure(command, build.returncode, "".join(complaints), hint))


def _check_go(module: Module) -> None:
    need = module.go_version()
    wanted = ".".join(str(part) for part in need)
    if shutil.which("go") is None:
        raise DevError(f"Go {wanted} or newer is needed to build {module.name}: install it and put `go` on the PATH")
    raw = subprocess.run(["go", "env", "GOVERSION"], capture_output=True, text=True, check=False).stdout
    found = tuple(int(part) for part in re.findall(r"\d+", raw)[:3])
    can_switch = succeeds(["sh", "-c", 'test "$(go env GOTOOLCHAIN)" != local'])
    if found < need and not can_switch:
        raise DevError(f"Go {wanted} or newer is needed to build {module.name}, found {raw.strip()}: upgrade Go")
