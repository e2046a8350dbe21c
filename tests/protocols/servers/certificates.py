"""A certificate authority of one test session: certificates for servers on the loopback address, and for clients."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .process import ServerError

_DAYS = "2"
_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, PEM files."""

    certificate: Path
    key: Path


class Authority:
    """Signs certificates; its own certificate, to be trusted, is ``ca``. Raises ServerError without openssl."""

    def __init__(self, directory: Path, name: str = "Test authority") -> None:
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self.ca = directory / "ca.pem"
        self._key = directory / "ca.key"
        subject = ("-subj", f"/CN={name}", "-addext", "keyUsage=critical,keyCertSign,cRLSign")
        _openssl("req", "-x509", *_NEW_KEY, "-days", _DAYS, *subject, "-keyout", self._key, "-out", self.ca)

    def server(self, name: str = "server") -> Pair:
        """A certificate for ``localhost``, 127.0.0.1 and ::1."""
        return self._issue(name, "localhost", "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1", "serverAuth")

    def client(self, name: str) -> Pair:
        """A certificate for a client, whose common name is ``name``."""
        return self._issue(name, name, f"subjectAltName=DNS:{name}", "clientAuth")

    def _issue(self, file: str, common_name: str, names: str, usage: str) -> Pair:
        made = Pair(self._directory / f"{file}.pem", self._directory / f"{file}.key")
        request, extensions = self._directory / f"{file}.csr", self._directory / f"{file}.ext"
        extensions.write_text(f"{names}\nextendedKeyUsage={usage}\nbasicConstraints=CA:FALSE\n")
        _openssl("req", "-new", *_NEW_KEY, "-subj", f"/CN={common_name}", "-keyout", made.key, "-out", request)
        signer = ("-CA", self.ca, "-CAkey", self._key, "-CAcreateserial", "-extfile", extensions)
        _openssl("x509", "-req", "-in", request, *signer, "-days", _DAYS, "-out", made.certificate)
        return made


def copy_for(user: str, pair: Pair, directory: Path) -> Pair:
    """A copy of the pair in this folder that belongs to the user alone, as servers demand of a key."""
    copies = []
    for file in (pair.certificate, pair.key):
        copy = directory / file.name
        shutil.copyfile(file, copy)
        copy.chmod(0o600)
        if os.geteuid() == 0:
            shutil.chown(copy, user)
        copies.append(copy)
    return Pair(*copies)


def _openssl(*words: str | Path) -> None:
    if shutil.which("openssl") is None:
        raise ServerError("`openssl` is not there: apt-get install openssl")
    done = subprocess.run(["openssl", *map(str, words)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ServerError(f"`openssl {words[0]}` failed: {done.stderr.strip()}")
