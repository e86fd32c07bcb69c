"""Judges clients in this process: the same judgement as `mockserver check` makes of a program, without starting one."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, cast

from mockserver.conformance import Case
from mockserver.conformance.consumer import Hello, Program, Report
from mockserver.conformance.run import Judge, Options, Result, serve_cases
from mockserver.server import MockServer
from tests.broken_clients.variations import Ask, close

TIME_LIMIT_S = 4.0
"""How long a client that is late may take before it counts as hanging; of a good one nothing takes nearly as long."""


class Hand:
    """Runs a client's `ask` as `Program` runs a program, each line in a thread of its own, so that a hang can be left alone."""

    def __init__(self, ask: Ask, late: Callable[[threading.Thread], None]) -> None:
        self._ask = ask
        self._late = late

    def run(self, line: Mapping[str, Any], time_limit_s: float) -> Report:
        started = time.monotonic()
        answers: list[dict[str, Any]] = []
        raised: list[BaseException] = []

        def answer() -> None:
            try:
                answers.append(self._ask(line))
            except BaseException as error:
                raised.append(error)

        thread = threading.Thread(target=answer, name="client", daemon=True)
        thread.start()
        thread.join(time_limit_s)
        took_s = time.monotonic() - started
        if thread.is_alive():
            self._late(thread)
            return Report("hang", {}, (), took_s)
        if raised:
            return Report("crash", {}, (), took_s, repr(raised[0]))
        return Report("answer", answers[0], (), took_s)


class Bench:
    """A server that plays some cases, as a context manager, and clients judged by them."""

    def __init__(self, cases: Sequence[Case]) -> None:
        self.cases = {case.id: case for case in cases}
        self.server: MockServer = serve_cases(cases)
        self._late: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self.server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.server.stop()  # which ends every connection, and so the clients that wait for more
        for thread in self._late:
            thread.join(10)
            assert not thread.is_alive(), "a client goes on though its server is gone"

    def judge(self, ask: Ask, case_id: str, time_limit_s: float = TIME_LIMIT_S) -> Result:
        """The verdict on one case."""
        case = self.cases[case_id]
        self.server.reset()  # a sequence begins anew for each client
        judge = Judge(self.server, Hello("client"), Options(time_limit_s=time_limit_s))
        result = judge(cast(Program, Hand(ask, self._late.append)), case)
        with suppress(OSError):
            close(ask)
        return result
