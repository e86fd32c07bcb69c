"""The command `mockserver-client`: asks one question, prints the answer as it comes, and how fast it came.

The answer goes to standard output, everything else to standard error. Exit codes: 0 the answer is whole, 1 it is not (what
came has been printed), 2 the command is wrong, 130 interrupted.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any

from client.completion import Completion
from client.errors import ChatError
from client.limits import Limits
from client.stream import stream_chat

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    parser = make_parser()
    arguments = parser.parse_args(argv)
    try:
        if arguments.consumer:
            from client.consumer import run_consumer

            run_consumer(sys.stdin, sys.stdout)
            return 0
        if arguments.prompt is None:
            parser.error(
                'a prompt is needed, as in: mockserver-client "Say hello" (or - to read it from standard input)'
            )
        return ask(arguments)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read us has gone. Python would complain once more when it flushes standard output at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except ValueError as error:
        parser.error(str(error))


def make_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="mockserver-client",
        description="Stream one chat completion to the terminal, with its speed and its finish reason.",
    )
    parser.add_argument("prompt", nargs="?", help="what to ask; - reads it from standard input")
    parser.add_argument("--base-url", metavar="URL", help="where to ask, ending in /v1 (default: OPENAI_BASE_URL)")
    parser.add_argument("--api-key", metavar="KEY", help="default: OPENAI_API_KEY")
    parser.add_argument("--model", default="gpt-4o-mini", help="default: %(default)s")
    parser.add_argument("--system", metavar="TEXT", help="a system message before the prompt")
    parser.add_argument("--max-tokens", type=int, metavar="N", help="stop after so many tokens")
    parser.add_argument(
        "--retries", type=int, default=2, metavar="N", help="further requests if one fails (default: %(default)s)"
    )
    for name, limit in (("ttft", "the first token"), ("idle", "the next event"), ("total", "the whole answer")):
        parser.add_argument(f"--{name}-timeout", type=float, metavar="S", help=f"longest wait for {limit}, in seconds")
    parser.add_argument(
        "--consumer", action="store_true", help="speak the consumer protocol on standard input and output"
    )
    return parser


def ask(arguments: argparse.Namespace) -> int:
    """Ask, print, and say how it went; returns the exit code."""
    given = {f"{name}_timeout_s": getattr(arguments, f"{name}_timeout") for name in ("ttft", "idle", "total")}
    limits = Limits(**{name: value for name, value in given.items() if value is not None})
    stream = stream_chat(
        make_request(arguments),
        base_url=arguments.base_url,
        api_key=arguments.api_key,
        limits=limits,
        retries=arguments.retries,
    )
    error: ChatError | None = None
    try:
        for delta in stream:
            print(delta.content or delta.refusal, end="", flush=True)
    except ChatError as caught:
        error = caught
    print(flush=True)
    completion = stream.completion
    for call in completion.tool_calls:
        print(f"{call.name}({call.arguments})", flush=True)
    print(summarise(completion, stream.chunk_count), file=sys.stderr)
    if error is not None:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


def make_request(arguments: argparse.Namespace) -> dict[str, Any]:
    """The body of the request."""
    prompt = sys.stdin.read() if arguments.prompt == "-" else arguments.prompt
    messages = [{"role": "system", "content": arguments.system}] if arguments.system else []
    request: dict[str, Any] = {
        "model": arguments.model,
        "messages": [*messages, {"role": "user", "content": prompt}],
        "stream_options": {"include_usage": True},
    }
    if arguments.max_tokens is not None:
        request["max_completion_tokens"] = arguments.max_tokens
    return request


def summarise(completion: Completion, chunk_count: int) -> str:
    """TTFT, tokens per second and finish reason, on one line."""
    timings = completion.timings
    parts = []
    if timings is not None and timings.ttft_s is not None:
        parts.append(f"first token after {timings.ttft_s:.3f} s")
        tokens, unit = count_tokens(completion, len(timings.itl_s) + 1)
        rest_s = sum(timings.itl_s)
        # The first token's time is TTFT; the speed is that of the others.
        parts.append(
            f"{(tokens - 1) / rest_s:.1f} {unit}/s" if rest_s > 0 and tokens > 1 else f"{tokens} {unit} at once"
        )
    parts.append(f"{chunk_count} chunks")
    parts.append(f"finish reason: {completion.finish_reason or 'none'}")
    return "  ".join(parts)


def count_tokens(completion: Completion, pieces: int) -> tuple[int, str]:
    """How many tokens came, by the server's count if it gave one, else the pieces they came in."""
    told = (completion.usage or {}).get("completion_tokens")
    return (told, "tokens") if isinstance(told, int) and told > 0 else (pieces, "pieces")


if __name__ == "__main__":
    sys.exit(main())
