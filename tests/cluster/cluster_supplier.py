"""A data supplier on this machine: an HTTP server with good data, and with every kind of trouble."""

import base64
import contextlib
import threading
import time
from collections import Counter
from datetime import date, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

DAYS = [date(2012, 1, 1) + timedelta(days=n) for n in range(1827)]
CSV = "date,discharge_m3s\n" + "".join(f"{day},{(n % 97) / 10}\n" for n, day in enumerate(DAYS))


class Supplier:
    """Serves until it is stopped."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()  # requests by path
        self.passwords = {"/secret.csv": "right"}  # that open a path, with any user name
        self.broken = False  # every answer is an error
        self.series = CSV  # what good paths serve
        self.grows = False  # by one record of the last day each time that it is asked for
        self._stopping = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True).start()

    def url(self, path: str = "/series.csv") -> str:
        """Where a path is served."""
        return f"http://127.0.0.1:{self._server.server_address[1]}{path}"

    def stop(self) -> None:
        """End it, with what is still being answered."""
        self._stopping.set()
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        supplier = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                supplier.asked[self.path] += 1
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # whoever asked has had enough
                    self._answer()

            def _answer(self) -> None:
                if supplier.broken:
                    return self._send(503, "text/plain", b"later\n")
                wanted = supplier.passwords.get(self.path)
                if wanted is not None and self._password() != wanted:
                    return self._send(401, "text/plain", b"who are you?\n")
                match self.path:
                    case "/slow.csv":
                        return self._slowly()
                    case "/endless.csv":
                        return self._endlessly()
                    case "/page.csv":
                        return self._send(200, "text/csv", b"<!DOCTYPE html><title>Data portal</title>")
                    case _:
                        if supplier.grows:
                            supplier.series += "2016-12-31,1.0\n"
                        return self._send(200, "text/csv", supplier.series.encode())

            def _password(self) -> str:
                _, _, encoded = self.headers.get("Authorization", "").partition(" ")
                return base64.b64decode(encoded).decode().partition(":")[2]

            def _send(self, status: int, kind: str, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def _slowly(self) -> None:
                self._begin()
                for byte in CSV.encode():
                    if supplier._stopping.is_set():
                        return
                    self.wfile.write(bytes([byte]))
                    self.wfile.flush()
                    time.sleep(1)

            def _endlessly(self) -> None:
                self._begin()
                self.wfile.write(CSV.encode())
                while not supplier._stopping.is_set():
                    self.wfile.write(b"2016-12-31,1.0\n" * 1000)

            def _begin(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "text/csv")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Keep quiet."""

        return Handler
