"""One HTTP message: what of its head, codings and end follows from the request and what a scenario says about HTTP."""

from collections.abc import Iterable, Iterator

from msgspec import Struct

from mockserver.faults import AnyFault, Around
from mockserver.http import (
    CORS_HEADERS,
    LENGTH_HEADERS,
    RATE_LIMIT_HEADERS,
    Coding,
    Http,
    Transfer,
    code_chunked,
    code_content,
    http_date,
    list_values,
    merge_headers,
    offers,
    render_head,
    render_headers,
)
from mockserver.sse import Slice

_CONSTANT = render_headers([*RATE_LIMIT_HEADERS.items(), *CORS_HEADERS.items()])


class Message(Struct, frozen=True):
    """An answer's HTTP message. `extra` are headers that stand beside the usual ones, as an error's Retry-After."""

    http: Http
    status: int
    content_type: str
    prefers_chunked: bool
    request_version: str
    keep_alive: bool
    accept_encoding: str
    wall_s: float
    request_id: str
    extra: tuple[tuple[str, str], ...] = ()

    @property
    def version(self) -> str:
        return self.http.version or self.request_version

    @property
    def transfer(self) -> Transfer:
        """What ends the body. RFC 9112 6.1: no transfer coding in an answer to HTTP/1.0, so its close ends a stream."""
        wanted = self.http.transfer or ("chunked" if self.prefers_chunked else "length")
        return "close" if wanted == "chunked" and self.version == "1.0" else wanted

    @property
    def announces_close(self) -> bool:
        """Whether the head says, unless the scenario says otherwise, that the connection ends with this answer."""
        http = self.http
        return self.transfer == "close" or http.connection == "close" or self.version == "1.0" or not self.keep_alive

    @property
    def closes(self) -> bool:
        """Whether the connection is closed behind the answer: also where a scenario's own head may lie about its end."""
        said = {name.lower(): ", ".join(list_values(value)) for name, value in self.http.headers.items()}
        lies = not said.keys().isdisjoint(LENGTH_HEADERS) or self.status < 200
        return self.announces_close or lies or "close" in (said.get("connection") or "").lower()

    @property
    def has_body(self) -> bool:
        """RFC 9110 6.4.1: "All 1xx (Informational), 204 (No Content), and 304 (Not Modified) responses do not include
        content."""
        return self.status >= 200 and self.status not in (204, 304)

    @property
    def coding(self) -> Coding | None:
        """The content coding: the scenario's, if the request offered it or it is to be used unasked."""
        coding = self.http.coding
        if coding is None or self.http.coding_unasked or offers(self.accept_encoding, coding):
            return coding
        return None

    def code(self, body: Iterable[Slice], faults: Iterable[AnyFault], around: Around) -> Iterable[Slice]:
        """The body in its content coding."""
        if self.coding is None:
            return body
        coded: Iterable[Slice] = code_content(body, self.coding, self.http.flush)
        for fault in faults:
            coded = fault.on_coding(coded, around)
        return coded

    def frame(self, coded: Iterable[Slice]) -> Iterable[Slice]:
        """The coded body in its transfer coding."""
        http = self.http
        if self.transfer != "chunked":
            return coded
        return code_chunked(coded, http.chunk_size, http.chunk_extension or "", http.trailers)

    def interims(self) -> Iterator[Slice]:
        """The interim responses in front; they leave at once.

        RFC 9110 15.2: "a server MUST NOT send a 1xx response to an HTTP/1.0 client".
        """
        for interim in self.http.interim if self.request_version != "1.0" else ():
            yield Slice(render_head(interim.status, interim.headers.items(), self.version), 0.0, None, "interim")

    def head(self, processing_s: float, length: int | None) -> bytes:
        """Status line and headers."""
        ours = [("Date", http_date(self.wall_s))]
        if self.has_body:
            ours.append(("Content-Type", self.content_type))
            if self.transfer == "chunked":
                ours.append(("Transfer-Encoding", "chunked"))
                ours += [("Trailer", ", ".join(self.http.trailers))] if self.http.trailers else []
            elif length is not None:
                ours.append(("Content-Length", str(length)))
            if self.coding is not None:
                ours += [("Content-Encoding", self.coding), ("Vary", "Accept-Encoding")]
        ours += [
            ("Connection", self.http.connection or ("close" if self.announces_close else "keep-alive")),
            ("openai-processing-ms", str(round(processing_s * 1000))),
            ("openai-version", "2020-10-01"),
            ("x-request-id", self.request_id),
        ]
        if not (self.extra or self.http.headers):
            return render_head(self.status, ours, self.version, _CONSTANT)
        headers: Iterable[tuple[str, str]] = [*ours, *RATE_LIMIT_HEADERS.items(), *CORS_HEADERS.items()]
        for others in (dict(self.extra), self.http.headers):
            headers = merge_headers(headers, others) if others else headers
        return render_head(self.status, headers, self.version)
