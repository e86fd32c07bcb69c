"""Every case is caught by at least one broken client, and passes with the good ones: a case that nobody can fail tests nothing.

`tests/broken_clients/caught_by.yaml` says for each case which broken clients it catches, and how; every row of it is played.
The whole product of clients and cases, from which the rows are chosen, is played by `python -m tests.broken_clients`.
"""

import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from client import open_http
from mockserver.conformance import Case, choose_cases, load_cases
from mockserver.conformance.run import run_cases
from mockserver.conformance.verdict import Verdict
from tests.broken_clients.bench import AT_ONCE, TIME_LIMIT_S, Player, as_ask, judge_players
from tests.broken_clients.matrix import CAUGHT, HANG_S, LONG, choose_rows, load_rows
from tests.broken_clients.variations import Patch, Variation, load_ask, load_variations

ROOT = Path(__file__).parents[3]
ROWS = load_rows()
CASES = {case.id: case for case in load_cases()}
CLASSES = sorted({case.cls for case in CASES.values()})


def test_every_case_has_a_broken_client_that_it_catches() -> None:
    assert [case for case in CASES if not ROWS.get(case)] == [], "play `python -m tests.broken_clients`"
    assert sorted(ROWS.keys() - CASES.keys()) == []
    assert {verdict for row in ROWS.values() for verdict in row.values()} <= set(CAUGHT)


def test_every_broken_client_is_caught_by_a_case() -> None:
    assert len(load_variations()) >= 20
    assert {client for row in ROWS.values() for client in row} == load_variations().keys()


TRIES = 3


def find_wrong(players: Sequence[Player], expected: Mapping[tuple[str, str], str]) -> dict[tuple[str, str], Verdict]:
    """The verdicts by client and case that are not as expected. What looks wrong in the crowd is played again, alone.

    Some cases are about time, and where many play at once on a busy machine a good client may seem slow; or a bad one good,
    as a client that comes late to its reads finds joined what was cut. So who is not as expected has `TRIES` more.
    """
    results = judge_players(players)
    assert results.keys() == expected.keys()
    for _ in range(TRIES):
        doubtful = {key for key, result in results.items() if result.verdict.name != expected[key]}
        again = [
            replace(player, cases=cases)
            for player in players
            if (cases := [case for case in player.cases if (player.name, case.id) in doubtful])
        ]
        if not again:
            break
        results = judge_players(again, at_once=1)
    return {key: result.verdict for key, result in results.items() if result.verdict.name != expected[key]}


@pytest.mark.parametrize("cls", CLASSES)
def test_the_broken_clients_are_caught(cls: str) -> None:
    expected = {
        (client, case): verdict
        for case, row in ROWS.items()
        if CASES[case].cls == cls
        for client, verdict in row.items()
    }
    players = [
        Player(client, load_ask(client), [CASES[case]], HANG_S if verdict == "hang" else TIME_LIMIT_S)
        for (client, case), verdict in expected.items()
    ]
    wrong = {
        f"{case}: a client that {load_variations()[client].breaks} ({client}): expected {expected[client, case]}": verdict
        for (client, case), verdict in find_wrong(players, expected).items()
    }
    assert wrong == {}


@pytest.mark.parametrize("cls", CLASSES)
def test_the_client_from_which_the_broken_ones_are_made_is_good(cls: str) -> None:
    played = [case for case in CASES.values() if case.cls == cls and case.id not in LONG]
    players = [Player("good", load_ask("good"), played[start::AT_ONCE]) for start in range(AT_ONCE)]
    assert find_wrong(players, {("good", case.id): "pass" for case in played}) == {}


@pytest.mark.parametrize("cls", CLASSES)
def test_the_reference_client_passes_every_case(cls: str) -> None:
    """Strictly: none is weak, none is skipped."""
    played = [case for case in CASES.values() if case.cls == cls]
    with ExitStack() as opened:
        clients = [opened.enter_context(open_http()) for _ in range(AT_ONCE)]
        players = [Player("client", as_ask(http), played[start::AT_ONCE]) for start, http in enumerate(clients)]
        assert find_wrong(players, {("client", case.id): "pass" for case in played}) == {}


def test_a_broken_client_is_caught_as_a_program_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    cases: list[Case] = choose_cases(list(CASES.values()), ["plain", "sse-cr-only"])
    run = run_cases([sys.executable, "-m", "tests.broken_clients", "ignores-cr"], cases)
    assert {result.case.id: result.verdict.name for result in run.results} == {"plain": "pass", "sse-cr-only": "fail"}


def test_a_patch_that_does_not_fit_is_told() -> None:
    nowhere = Variation("nowhere", "is not there", (Patch("no such line", ""),))
    with pytest.raises(ValueError, match="found 0 times: 'no such line'"):
        nowhere.source()


def test_the_bench_tells_a_hang_and_a_crash_and_leaves_nothing_behind() -> None:
    def crash(line: Mapping[str, Any]) -> dict[str, Any]:
        raise SystemExit("gone")

    results = judge_players(
        [
            Player("crash", crash, [CASES["plain"]]),
            Player("no-idle-limit", load_ask("no-idle-limit"), [CASES["stall-after-chunk"]], 0.1),
            Player("good", load_ask("good"), [CASES["plain"], CASES["stall-after-chunk"]]),
        ]
    )
    assert {key: result.verdict.name for key, result in results.items()} == {
        ("crash", "plain"): "crash",
        ("no-idle-limit", "stall-after-chunk"): "hang",
        ("good", "plain"): "pass",
        ("good", "stall-after-chunk"): "pass",
    }


def test_the_rows_name_the_client_that_shows_most_and_leave_out_whoever_gets_through() -> None:
    verdicts = {
        "broad": {"one": "fail", "two": "fail", "three": "crash"},
        "narrow": {"one": "pass", "two": "fail", "three": "hang"},
        "slow": {"one": "pass", "two": "pass", "three": "hang"},
        "twin": {"one": "pass", "two": "fail", "three": "weak"},
        "right": {"one": "pass", "two": "pass", "three": "skip"},
    }
    rows = {
        "one": {"broad": "fail"},
        "two": {"twin": "fail", "narrow": "fail"},
        "three": {"broad": "crash", "slow": "hang"},
    }
    assert choose_rows(verdicts, {}) == rows
    assert choose_rows(verdicts, {"two": {"narrow": "fail"}, "four": {"slow": "hang"}}) == {
        "one": {"broad": "fail"},
        "two": {"narrow": "fail", "twin": "fail"},
        "three": {"broad": "crash"},
        "four": {"slow": "hang"},
    }
