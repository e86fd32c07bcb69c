"""`mockserver demo`: OpenAI's guide "How to stream completions", its four steps, played against this server.

The steps print what the guide prints (OpenAI Cookbook, `examples/How_to_stream_completions.ipynb`). What it shows is checked
on the way: texts, counts and shapes exactly; times exactly downwards, for nothing may come early, and generously upwards,
because a busy machine may be late.
"""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mockserver.cli.terminal import tell

if TYPE_CHECKING:
    from openai import OpenAI
    from openai.types.chat.chat_completion_chunk import ChatCompletionChunk, Choice

EXAMPLES = """\b
[bold]Exit codes[/bold]
  0  everything as the guide shows it
  1  not so: one line says what was expected and what came
"""

MODEL = "gpt-4o-mini"
COUNT = "Count to 100, with a comma between each number and no newlines. E.g., 1, 2, 3, ..."
COUNTED = ", ".join(str(number) for number in range(1, 101))
SUM = "What's 1+1? Answer in one word."
ROW = "****************"

# What the default scenarios say (defaults/): the first token after 100 ms, the next ones 10 to 20 ms apart.
TTFT_S = 0.1
ITL_S = (0.01, 0.02)
WHOLE_S = (4.0, 5.0)
LATE_S = 10.0
"""How much later than it should a busy machine may be."""

START_BOUND_S = 30.0
STOP_BOUND_S = 5.0


class DeviationError(Exception):
    """Something did not go as the guide shows it; the message says what was expected and what came."""


def demo() -> int:
    """Play the four steps of OpenAI's guide "How to stream completions" with the official SDK, and check them.

    Starts `mockserver serve` on a free port as a process of its own, and stops it in the end, whatever happens. Needs the
    SDK: pip install openai.
    """
    from mockserver.errors import UsageError

    try:
        import openai
    except ImportError as error:
        raise UsageError("the demo needs the official SDK: pip install openai") from error
    try:
        with _serve() as base_url:
            http_client = openai.DefaultHttpxClient(trust_env=False)  # no proxy stands between
            with openai.OpenAI(base_url=base_url, api_key="test", max_retries=0, http_client=http_client) as client:
                for number, step in enumerate((show_whole, show_stream, show_times, show_usage), 1):
                    _title(number, step)
                    step(client)
    except DeviationError as error:
        tell(f"demo: {error}")
        return 1
    except openai.OpenAIError as error:
        tell(f"demo: the SDK raised {type(error).__name__}: {error}")
        return 1
    print("\nAll four steps went as the guide shows them.")
    return 0


def show_whole(client: "OpenAI") -> None:
    """1. What a typical chat completion response looks like"""
    start_time = time.monotonic()
    response = client.chat.completions.create(model=MODEL, messages=_say(COUNT), temperature=0)
    response_time = time.monotonic() - start_time
    print(f"Full response received {response_time:.2f} seconds after request")
    print(f"Full response received:\n{response}")
    reply = response.choices[0].message
    print(f"Extracted reply: \n{reply}")
    print(f"Extracted content: \n{reply.content}")
    _expect("the reply", COUNTED, reply.content)
    _expect("its role", "assistant", reply.role)
    _expect("its finish reason", "stop", response.choices[0].finish_reason)
    _expect_time("the whole response", response_time, *WHOLE_S)


def show_stream(client: "OpenAI") -> None:
    """2. How to stream a chat completion"""
    chunks = []
    for chunk in client.chat.completions.create(model=MODEL, messages=_say(SUM), temperature=0, stream=True):
        print(chunk)
        print(_only_choice(chunk).delta.content)
        print(ROW, flush=True)
        chunks.append(chunk)
    _expect("more chunks than one", True, len(chunks) > 1)
    first, *between, last = [chunk.choices[0] for chunk in chunks]
    _expect("the first delta", ("assistant", "", None), (first.delta.role, first.delta.content, first.finish_reason))
    _expect("a text in every delta between", True, bool(between) and all(choice.delta.content for choice in between))
    _expect("finish reasons between", {None}, {choice.finish_reason for choice in between})
    _expect("the last delta", (None, None, "stop"), (last.delta.role, last.delta.content, last.finish_reason))
    _expect("ids and times of creation", 1, len({(chunk.id, chunk.created) for chunk in chunks}))


def show_times(client: "OpenAI") -> None:
    """3. How much time is saved by streaming a chat completion"""
    start_time = time.monotonic()
    chunk_time, collected = 0.0, list[tuple[float, str | None]]()
    for chunk in client.chat.completions.create(model=MODEL, messages=_say(COUNT), temperature=0, stream=True):
        chunk_time = time.monotonic() - start_time
        chunk_message = _only_choice(chunk).delta.content
        collected.append((chunk_time, chunk_message))
        print(f"Message received {chunk_time:.2f} seconds after request: {chunk_message}", flush=True)
    print(f"Full response received {chunk_time:.2f} seconds after request")
    full_reply_content = "".join(message for _, message in collected if message is not None)
    print(f"Full conversation received: {full_reply_content}")
    _expect("the joined text", COUNTED, full_reply_content)
    times = [received for received, message in collected if message]
    for k, received in enumerate(times):
        _expect_time(f"token {k + 1}", received, TTFT_S + k * ITL_S[0], TTFT_S + k * ITL_S[1])
    _expect_spread(times)
    _expect_time("the whole stream", chunk_time, *WHOLE_S)


def show_usage(client: "OpenAI") -> None:
    """4. How to get token usage data for streamed chat completion response"""
    options: Any = {"include_usage": True}
    chunks = []
    for chunk in client.chat.completions.create(
        model=MODEL, messages=_say(SUM), temperature=0, stream=True, stream_options=options
    ):
        print(f"choices: {chunk.choices}\nusage: {chunk.usage}")
        print(ROW, flush=True)
        chunks.append(chunk)
    _expect("more chunks than one", True, len(chunks) > 1)
    *others, last = chunks
    _expect("usage of all chunks but the last", [None] * len(others), [chunk.usage for chunk in others])
    _expect("choices of the last chunk", [], last.choices)
    tokens = sum(bool(_only_choice(chunk).delta.content) for chunk in others)
    usage = last.usage
    _expect("completion tokens", tokens, usage and usage.completion_tokens)
    _expect("total tokens", usage and usage.prompt_tokens + tokens, usage and usage.total_tokens)


def _say(text: str) -> Any:
    return [{"role": "user", "content": text}]


def _only_choice(chunk: "ChatCompletionChunk") -> "Choice":
    _expect("how many choices a chunk has", 1, len(chunk.choices))
    return chunk.choices[0]


def _title(number: int, step: Callable[..., None]) -> None:
    print(f"{'' if number == 1 else chr(10)}### {step.__doc__}\n", flush=True)


def _expect(what: str, expected: object, got: object) -> None:
    if got != expected:
        raise DeviationError(f"{what}: expected {expected!r}, got {got!r}")


def _expect_time(what: str, taken_s: float, earliest_s: float, latest_s: float) -> None:
    if not earliest_s <= taken_s <= latest_s + LATE_S:
        raise DeviationError(
            f"{what}: expected {earliest_s:.2f} to {latest_s:.2f} s after the request, got {taken_s:.3f} s"
        )


def _expect_spread(times: list[float]) -> None:
    """What comes late all at once was held back on the way: no stream, however busy the machine."""
    spread_s, least_s = times[-1] - times[0], (len(times) - 1) * ITL_S[0]
    if spread_s < least_s:
        raise DeviationError(
            f"from the first token to the last: expected {least_s:.2f} s or more, got {spread_s:.3f} s: it was held back"
        )


@contextmanager
def _serve() -> Iterator[str]:
    """A server as a process of its own, on a free port; gives its base URL."""
    command = [sys.executable, "-m", "mockserver", "serve", "--port", "0", "--log-level", "warning"]
    with _terminated_as_interrupted(), subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        try:
            yield _read_base_url(child)
        finally:
            child.terminate()
            try:
                code = child.wait(STOP_BOUND_S)
            except subprocess.TimeoutExpired:
                child.kill()
                code = child.wait()
        _expect("exit code of the server", 0, code)


def _read_base_url(child: "subprocess.Popen[str]") -> str:
    assert child.stdout is not None
    watch = threading.Timer(START_BOUND_S, child.kill)
    watch.start()
    try:
        for line in child.stdout:
            variable, _, value = line.strip().partition("=")
            if variable == "export OPENAI_BASE_URL":
                return value
    finally:
        watch.cancel()
        watch.join()
    raise DeviationError(f"the server did not start: expected its base URL on stdout within {START_BOUND_S:.0f} s")


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """While this lasts, SIGTERM ends the demo as Ctrl-C does: it cleans up first."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
