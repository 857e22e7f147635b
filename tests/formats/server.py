"""A real server on this machine's own loop, with the faults of those out there."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


@dataclass
class Server:
    """Serves `files`. `cuts` are after how many bytes connections break, one for each request."""

    files: dict[str, bytes]
    cuts: list[int] = field(default_factory=list)
    ranges: bool = True
    etag: str | None = '"one"'
    says_length: bool = True
    errors: list[int] = field(default_factory=list)
    asked: list[str | None] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range")
            server.asked.append(asked)
            if server.errors:
                self.send_error(server.errors.pop(0))
                return
            data = server.files.get(self.path)
            if data is None:
                self.send_error(404)
                return
            same = self.headers.get("If-Range") in (None, server.etag)
            match = re.fullmatch(r"bytes=(\d+)-", asked or "")
            first = int(match[1]) if match and server.ranges and same else 0
            if first >= len(data) > 0:
                self.send_error(416)
                return
            self.send_response(206 if first else 200)
            if first:
                self.send_header("Content-Range", f"bytes {first}-{len(data) - 1}/{len(data)}")
            if server.says_length:
                self.send_header("Content-Length", str(len(data) - first))
            if server.etag:
                self.send_header("ETag", server.etag)
            self.end_headers()
            cut = server.cuts.pop(0) if server.cuts else None
            self.wfile.write(data[first:][:cut])
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler
