"""Measures when the tokens of a reply came. Knows no clock: every time is an argument, in seconds of any one clock."""

from __future__ import annotations

from itertools import islice
from operator import sub

from client.completion import Timings

__all__ = ["Stopwatch"]


class Stopwatch:
    """Started with the request; `token` at each token, `read` at each sign of life.

    Who reads very many tokens may write what these two write: `tokens_s`, the time of each token, and `last_s`.
    """

    def __init__(self, start_s: float) -> None:
        self._start_s = start_s
        self.last_s = start_s
        self.tokens_s: list[float] = []

    def read(self, now_s: float) -> None:
        """Something came, a token or not."""
        self.last_s = now_s

    def token(self, now_s: float) -> None:
        """A token came."""
        self.tokens_s.append(now_s)

    def timings(self) -> Timings:
        """What has been measured so far."""
        tokens = self.tokens_s
        ttft_s = tokens[0] - self._start_s if tokens else None
        itl_s = tuple(map(sub, islice(tokens, 1, None), tokens))
        return Timings(ttft_s, itl_s, self.last_s - self._start_s)
