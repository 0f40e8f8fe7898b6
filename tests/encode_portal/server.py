"""Two listeners in one process: the portal and its storage host."""

import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from secrets import token_hex
from threading import Event, Lock, Thread
from typing import Any, ClassVar

from .answer import Answer, Question, Role, error_answer, part_of
from .catalogue import Catalogue, Object
from .faults import Fault, FaultPlan, RandomFaults
from .log import Log, PaceGuard, Request
from .roles import Hosts, as_served

LOOPBACK = "127.0.0.1"


class Portal:
    """A running portal.

    Attributes:
        url: Address of the portal, without a slash at the end.
        storage_url: Address of the storage host, which also serves the mirror of annotations.
        catalogue: What it serves; may be changed while it runs.
        log: Every request.
        faults: What goes wrong; may be changed while it runs.
    """

    def __init__(self, catalogue: Catalogue, faults: Sequence[Fault | RandomFaults], *, enforce_pace: bool) -> None:
        self._hosts = Hosts(catalogue)
        self.catalogue = catalogue
        self.log = Log()
        self.faults = FaultPlan(faults)
        self._pace = PaceGuard() if enforce_pace else None
        self.stopping = Event()

    @property
    def url(self) -> str:
        """Address of the portal."""
        return self._hosts.url

    @property
    def storage_url(self) -> str:
        """Address of the storage host."""
        return self._hosts.storage_url

    def shown(self, name: str) -> Object:
        """Give an object as it is served, by accession or `@id`."""
        item = self.catalogue.get(name)
        if item is None:
            raise KeyError(name)
        return as_served(item, self.storage_url)

    def expire_signatures(self) -> None:
        """Make the storage host refuse (403) every address that the portal has signed so far."""
        self._hosts.secret = token_hex(8)

    def _listening(self, role: Role, port: int) -> "_Listener":
        listener = _Listener(self, role, port)
        address = f"http://{LOOPBACK}:{listener.server_address[1]}"
        if role == "portal":
            self._hosts.url = address
        else:
            self._hosts.storage_url = address
        return listener

    def answer(self, question: Question, entry: Request) -> Answer:
        """Answer a request, well or badly, as pace and faults will have it."""
        if question.role == "portal" and self._pace is not None and self._pace.too_fast(entry.time):
            entry.fault = "pace"
            return error_answer(429, "Too Many Requests", "at most ten requests a second").with_headers(Retry_After="1")
        answer = self._hosts.answer(question)
        trouble = self.faults.trouble(question)
        if trouble is not None:
            entry.fault = trouble.name
            answer = trouble.spoil(answer, question)
        return part_of(answer, question)


@contextmanager
def running_portal(
    catalogue: Catalogue,
    *,
    faults: Sequence[Fault | RandomFaults] = (),
    enforce_pace: bool = False,
    port: int = 0,
) -> Iterator[Portal]:
    """Run a portal on 127.0.0.1 until the block ends.

    Args:
        catalogue: What it serves.
        faults: What goes wrong.
        enforce_pace: Whether more than ten requests in any one second to the portal are answered with 429.
        port: Of the portal; 0: a free one. The storage host always takes a free one.
    """
    portal = Portal(catalogue, faults, enforce_pace=enforce_pace)
    listeners: list[_Listener] = []
    threads: list[Thread] = []
    try:
        for role, wanted in (("portal", port), ("storage", 0)):
            listeners.append(portal._listening(role, wanted))  # type: ignore[arg-type]
            threads.append(Thread(target=listeners[-1].serve_forever, args=(0.02,), daemon=True))
            threads[-1].start()
        yield portal
    finally:
        portal.stopping.set()
        for listener in listeners:
            listener.shutdown()
            listener.hang_up()
            listener.server_close()
        for thread in threads:
            thread.join()


@contextmanager
def deaf_address() -> Iterator[str]:
    """Give the address of a host that never takes a connection, so that connecting hangs."""
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        listener.listen(0)
        crowd = []
        try:
            for _ in range(4):  # the queue is full with one or two; the rest hang, as the client will
                one = socket.socket()
                one.setblocking(False)
                one.connect_ex(listener.getsockname())
                crowd.append(one)
            yield f"http://{LOOPBACK}:{listener.getsockname()[1]}"
        finally:
            for one in crowd:
                one.close()


class _Listener(ThreadingHTTPServer):
    """A listener of one role that can end the connections which clients keep open."""

    daemon_threads = False  # so that closing waits for them
    request_queue_size = 256

    def __init__(self, portal: Portal, role: Role, port: int) -> None:
        self.portal = portal
        self.role = role
        self._open: set[socket.socket] = set()
        self._lock = Lock()
        super().__init__((LOOPBACK, port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that went away; let everything else be seen."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)

    def hang_up(self) -> None:
        with self._lock:
            for one in self._open:
                break_off(one)


def break_off(connection: socket.socket) -> None:
    """Break a connection off in both directions."""
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # the other side was faster


class _Handler(BaseHTTPRequestHandler):
    server: _Listener
    protocol_version = "HTTP/1.1"
    server_version = "loopback"
    sys_version = ""
    disable_nagle_algorithm: ClassVar[bool] = True

    def do_GET(self) -> None:
        portal = self.server.portal
        path, _, query = self.path.partition("?")
        headers = {name.lower(): value for name, value in self.headers.items()}
        question = Question(self.server.role, self.command, path, query, headers)
        entry = portal.log.begin(question)
        answer = portal.answer(question, entry)
        if answer.hang and answer.hang_at is None:
            portal.stopping.wait(answer.hang)
        if answer.dropped:
            self.close_connection = True
            return
        entry.status = answer.status
        self._send_head(answer)
        if self.command != "HEAD" and answer.status != 304:
            self._send_body(answer, entry)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        self.close_connection = True  # what it carries is not read
        self.do_GET()

    def _send_head(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.length == "true":
            self.send_header("Content-Length", str(len(answer.body)))
        elif answer.length == "chunked":
            self.send_header("Transfer-Encoding", "chunked")
        if answer.length == "none" or self.command == "POST":
            self.send_header("Connection", "close")
        self.end_headers()

    def _send_body(self, answer: Answer, entry: Request) -> None:
        body = answer.body
        whole = answer.until >= 1
        body = body if whole else body[: int(len(body) * answer.until)]
        hang_at = None if answer.hang_at is None else int(len(body) * answer.hang_at)
        step = answer.piece or 1 << 16
        at = 0
        stops = sorted({*range(step, len(body), step), *([hang_at] if hang_at else []), len(body)})
        for stop in stops:
            if at == hang_at and self.server.portal.stopping.wait(answer.hang):
                whole = False
                break
            piece = body[at:stop]
            if piece:
                entry.sent += len(piece)
                self._write(piece, chunked=answer.length == "chunked")
            at = stop
            if answer.pause and self.server.portal.stopping.wait(answer.pause):
                whole = False
                break
        if whole and answer.length == "chunked":
            self.wfile.write(b"0\r\n\r\n")
        if not whole:
            self.close_connection = True

    def _write(self, piece: bytes, *, chunked: bool) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing: the log is for the tests to read."""
