"""The reference client: reads OpenAI's chat-completions stream, tells a whole reply from anything else, and loses nothing.

    errors.py      the tree of errors, drawn at the top
    sse.py         bytes -> events, by the WHATWG standard          \\
    accumulate.py  chunks -> completion                              > no I/O
    reader.py      the body of one reply -> deltas, or an error     /
    stream.py      `stream_chat`, `astream_chat`: the same over HTTP, with limits and retries
    collect.py     `collect`, `acollect`: an `openai` stream as it is -> completion
    __main__.py    the command `mockserver-client`
"""

from client.accumulate import Accumulator, accumulate
from client.collect import acollect, collect
from client.completion import Audio, Choice, Completion, Delta, FunctionCall, Timings, ToolCall
from client.errors import (
    ChatError,
    MalformedError,
    NotAStreamError,
    NotReachedError,
    RefusedError,
    ReportedError,
    StalledError,
    TooLargeError,
    TruncatedError,
)
from client.limits import Limits
from client.reader import ChatReader
from client.retry import Retries
from client.sse import Comment, Event, Ignored, Parser, Retry, Unfinished
from client.stream import AsyncChatStream, ChatStream, astream_chat, open_http, open_http_async, stream_chat

__all__ = [
    "Accumulator",
    "AsyncChatStream",
    "Audio",
    "ChatError",
    "ChatReader",
    "ChatStream",
    "Choice",
    "Comment",
    "Completion",
    "Delta",
    "Event",
    "FunctionCall",
    "Ignored",
    "Limits",
    "MalformedError",
    "NotAStreamError",
    "NotReachedError",
    "Parser",
    "RefusedError",
    "ReportedError",
    "Retries",
    "Retry",
    "StalledError",
    "Timings",
    "TooLargeError",
    "ToolCall",
    "TruncatedError",
    "Unfinished",
    "accumulate",
    "acollect",
    "astream_chat",
    "collect",
    "open_http",
    "open_http_async",
    "stream_chat",
]
