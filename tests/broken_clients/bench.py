"""Judges clients in this process: the same judgement as `mockserver check` makes of a program, without starting one.

Many are judged at once, for most of a case is waiting: each client has an own copy of its case, under an own URL, so that none
sees what another has asked.
"""

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast

import httpx2
from msgspec.structs import replace

from client.consumer import Case as Line
from client.consumer import run_case
from mockserver.conformance import Case
from mockserver.conformance.consumer import Hello, Program, Report
from mockserver.conformance.result import Result
from mockserver.conformance.run import Judge, Options, serve_cases
from tests.broken_clients.variations import Ask, close

TIME_LIMIT_S = 20.0
"""How long a client may take for a case before it counts as hanging: far longer than any that is not hanging takes."""

AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Player:
    """A client, and the cases that it is to play, one after the other."""

    name: str
    ask: Ask
    cases: Sequence[Case]
    time_limit_s: float = TIME_LIMIT_S


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

        thread = threading.Thread(target=answer, name=f"a client, in {line['case']},", daemon=True)
        thread.start()
        thread.join(time_limit_s)
        took_s = time.monotonic() - started
        if thread.is_alive():
            self._late(thread)
            return Report("hang", {}, (), took_s)
        if raised:
            return Report("crash", {}, (), took_s, repr(raised[0]))
        return Report("answer", answers[0], (), took_s)


def judge_players(players: Iterable[Player], at_once: int = AT_ONCE) -> dict[tuple[str, str], Result]:
    """The results by client and case. Nothing is left running, not even the clients that hung."""
    turns = [
        (player, [(case.id, replace(case, id=f"{case.id}--{number}")) for case in player.cases])
        for number, player in enumerate(players)
    ]
    late: list[threading.Thread] = []
    results: dict[tuple[str, str], Result] = {}

    def play(turn: tuple[Player, list[tuple[str, Case]]]) -> None:
        player, cases = turn
        judge = Judge(server, Hello(player.name), Options(time_limit_s=player.time_limit_s))
        hand = cast(Program, Hand(player.ask, late.append))
        for id, case in cases:
            results[player.name, id] = judge(hand, case)

    server = serve_cases([case for _, cases in turns for _, case in cases])
    with server, ThreadPoolExecutor(at_once, thread_name_prefix="player") as executor:
        list(executor.map(play, turns))
    # The server's end has ended every connection, and so the clients that waited for more.
    for thread in late:
        thread.join(10)
        assert not thread.is_alive(), f"{thread.name} goes on though its server is gone"
    for player, _ in turns:
        with suppress(OSError):
            close(player.ask)
    return results


def as_ask(http: httpx2.Client) -> Ask:
    """The reference client, by one HTTP client kept for all its lines."""

    def ask(line: Mapping[str, Any]) -> dict[str, Any]:
        case = Line(**{key: value for key, value in line.items() if key in Line.__struct_fields__})
        return {"case": line["case"], **run_case(case, http, lambda _: None)}

    return ask
