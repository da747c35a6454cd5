"""How much of a request gunicorn reads where its own settings have no limit."""

import time
from typing import Any

from gevent import sleep
from gunicorn.http.body import Body, ChunkedReader  # type: ignore[import-untyped]
from gunicorn.http.errors import InvalidChunkSize, InvalidHeader  # type: ignore[import-untyped]
from gunicorn.http.message import Request  # type: ignore[import-untyped]
from gunicorn.http.parser import RequestParser  # type: ignore[import-untyped]

# With the request line. gunicorn's limit would be a hundred fields of 16 kB, and it looks through all of a head again
# after each recv: 95 of them took 400 ms.
MAX_HEAD_BYTES = 65_536
# Clients write chunks of kilobytes: the largest body, 1 MiB, in pieces of 256 bytes.
MAX_CHUNKS = 4_096
# A recv may bring 1,300 chunks of one byte, and they take 5 ms.
CHUNKS_IN_A_ROW = 32
# For the rest of a body that the view did not read; beyond it, or beyond gunicorn's 64 KiB, the connection is closed.
DRAIN_SECONDS = 0.2


class BoundedChunks(ChunkedReader):  # type: ignore[misc]
    """A chunked body, of at most MAX_CHUNKS. Reading it lets others run."""

    count = 0

    def read(self, size: int) -> bytes:
        try:
            data: bytes = super().read(size)
        except BaseException:  # RequestTimeout too: where the next request begins is then unknown
            self.req.force_close()
            raise
        return data

    def parse_chunk_size(self, *rest: Any, **options: Any) -> Any:  # noqa: ANN401 - as gunicorn's own
        self.count += 1
        if self.count > MAX_CHUNKS:
            raise InvalidChunkSize(b"too many chunks")
        if self.count % CHUNKS_IN_A_ROW == 0:
            sleep(0)
        return super().parse_chunk_size(*rest, **options)


class BoundedRequest(Request):  # type: ignore[misc]
    def parse(self, unreader: Any) -> bytes:  # noqa: ANN401 - gunicorn has no types
        self.max_buffer_headers = MAX_HEAD_BYTES - self.limit_request_line
        rest: bytes = super().parse(unreader)
        # RFC 9112 3.2
        if self.version >= (1, 1) and all(name != "HOST" for name, _ in self.headers):
            raise InvalidHeader("HOST")
        return rest

    def set_body_reader(self) -> None:
        super().set_body_reader()
        if isinstance(self.body.reader, ChunkedReader):
            self.body: Any = Body(BoundedChunks(self, self.unreader))


class Parser(RequestParser):  # type: ignore[misc]
    mesg_class = BoundedRequest

    def finish_body(self, deadline: float | None = None, max_bytes: int | None = None) -> bool:
        """Between two requests gunicorn gives no deadline, and would read an endless body to its end."""
        return bool(super().finish_body(deadline or time.monotonic() + DRAIN_SECONDS, max_bytes))
