"""A bare server on loopback, for answers that the portal of the tests would never give."""

import http.server
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def served(
    answer: Callable[[http.server.BaseHTTPRequestHandler], object], *, tls: ssl.SSLContext | None = None
) -> Iterator[tuple[str, list[str]]]:
    """Run a server that answers every request with a function; give its address and the first lines of the requests."""
    lines: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            lines.append(self.requestline)
            answer(self)

        do_CONNECT = do_GET  # noqa: N815

        def log_message(self, *_: Any) -> None:
            pass

    class Server(http.server.ThreadingHTTPServer):
        def handle_error(self, *_: Any) -> None:
            """Say nothing of clients that went away."""

    server = Server(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"{'http' if tls is None else 'https'}://127.0.0.1:{server.server_address[1]}", lines
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def sending(body: bytes, **headers: str) -> Callable[[http.server.BaseHTTPRequestHandler], object]:
    """Answer with a body and headers (`_` in a name stands for `-`); Content-Length is right unless it is among them."""

    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        for name, value in ({"Content_Length": str(len(body))} | headers).items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer
