"""The HTTP message around a stream, read from its bytes: head, transfer coding, content coding (RFC 9112, RFC 9110)."""

import re
import zlib
from collections.abc import Iterator, Mapping

from mockserver.lint.finding import BrokenError, Finding

_WITHOUT_CONTENT = (204, 205)
"""RFC 9110 15.3.5, 15.3.6: No Content; Reset Content, with which "a server MUST NOT generate content"."""


def read_message(raw: bytes, ended: bool) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and decoded body of an HTTP message. Raises `BrokenError`."""
    headers: dict[str, str] = {}
    while True:  # interim responses stand in front
        head, blank, raw = raw.partition(b"\r\n\r\n")
        if not blank:
            raise BrokenError("RFC 9112 2.1", "the head is not complete")
        lines = head.decode("latin-1").split("\r\n")
        if not re.fullmatch(r"HTTP/1\.[01] \d{3} [^\r\n]*", lines[0]):
            raise BrokenError("RFC 9112 4", f"not a status line: {lines[0]!r}")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        status = int(lines[0].split(" ")[1])
        if status >= 200:
            break
    if not 200 <= status < 300 or status in _WITHOUT_CONTENT:
        raise BrokenError("RFC 9110 15", f"the status is none of an answer with content: {lines[0]!r}")
    body = _unframe(headers, raw, ended)
    return status, headers, _uncode(headers.get("content-encoding", "identity"), body)


def _unframe(headers: Mapping[str, str], raw: bytes, ended: bool) -> bytes:
    if not ended:
        raise BrokenError("RFC 9112 8", "the answer does not end: it is cut, or left open")
    if headers.get("transfer-encoding") == "chunked":
        return _unchunk(raw)
    if headers.get("content-length", str(len(raw))) != str(len(raw)):
        raise BrokenError("RFC 9112 8", f"Content-Length is {headers['content-length']}, the body has {len(raw)} bytes")
    return raw


# RFC 9112 7.1: trailer-section = *( field-line CRLF ), and a CRLF behind it
_TRAILERS = re.compile(rb"(?:[^\r\n:]+:[^\r\n]*\r\n)*\r\n")


def _unchunk(raw: bytes) -> bytes:
    parts: list[bytes] = []
    at = 0
    while True:
        line, end, _ = raw[at : at + 4096].partition(b"\r\n")
        size = line.partition(b";")[0]
        if not end or not re.fullmatch(rb"[0-9a-fA-F]+", size):
            raise BrokenError("RFC 9112 7.1", f"not the size of a chunk: {line[:40]!r}")
        at += len(line) + 2
        count = int(size, 16)
        if not count:
            if not _TRAILERS.fullmatch(raw, at):
                raise BrokenError("RFC 9112 7.1", "the trailer section is not complete")
            return b"".join(parts)
        parts.append(raw[at : at + count])
        if raw[at + count : at + count + 2] != b"\r\n":
            raise BrokenError("RFC 9112 7.1", "a chunk is shorter or longer than its size says")
        at += count + 2


def _uncode(coding: str, body: bytes) -> bytes:
    try:
        if coding in ("gzip", "deflate"):
            inflater = zlib.decompressobj(31 if coding == "gzip" else 15)
            whole = inflater.decompress(body) + inflater.flush()
            if not inflater.eof or inflater.unused_data:
                raise BrokenError("RFC 9110 8.4", f"the {coding} coding does not end where the body does")
            return whole
        if coding == "br":
            import brotli

            return bytes(brotli.decompress(body))
    except Exception as error:
        if isinstance(error, BrokenError):
            raise
        raise BrokenError("RFC 9110 8.4", f"the {coding} coding is damaged: {error}") from error
    return body


def lint_head(status: int, headers: Mapping[str, str]) -> Iterator[Finding]:
    if status != 200:
        yield Finding("departure", "OpenAI", f"the status is {status}, not 200")
    kind = headers.get("content-type", "")
    if kind.partition(";")[0].strip().lower() != "text/event-stream":
        yield Finding("departure", "WHATWG HTML 9.2.2", f"the content type is {kind!r}, not text/event-stream")


def decode_text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise BrokenError("WHATWG HTML 9.2.5", f"not UTF-8 at byte {error.start}") from error
