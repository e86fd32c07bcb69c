"""Which broken client each case catches: the whole product played, and the rows of `caught_by.yaml` chosen from it.

For each case the client that the fewest cases catch, since that one says most about what the case is good for; for each client
that is then not named, the case that catches the fewest. Hangs are the last resort: to see one takes time, and a busy machine
shows some that are none.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import yaml

from mockserver.conformance import Case
from tests.broken_clients.bench import AT_ONCE, Player, judge_players
from tests.broken_clients.variations import FOLDER, load_ask

TABLE = FOLDER / "caught_by.yaml"
CAUGHT = ("fail", "crash", "hang")
HANG_S = 1.5
"""How long a client that hangs is waited for."""

LONG = frozenset(
    {
        "events-100k",
        "line-unbounded",
        "event-unbounded",
        "comments-unbounded",
        "blank-lines-unbounded",
        "gzip-bomb",
        "event-large-fragmented",
        "event-4m",
        "slow-reader-large",
    }
)
"""Cases that cost a plain client seconds of work: their rows are written by hand, and kept."""

Verdicts = dict[str, dict[str, str]]
"""Client -> case -> the name of the verdict."""

Rows = dict[str, dict[str, str]]
"""Case -> the clients that it catches -> the name of the verdict."""


def load_rows() -> Rows:
    """What is in `caught_by.yaml`."""
    rows: Rows = yaml.safe_load(TABLE.read_text("utf-8"))
    return rows


def play_product(names: Iterable[str], cases: Iterable[Case], on_client: Callable[[str], Any] = print) -> Verdicts:
    """Play every case to every client; what seems to hang is played again, with more patience."""
    played = [case for case in cases if case.id not in LONG]
    found: Verdicts = {}
    for name in names:
        verdicts = play_client(name, played, HANG_S)
        hung = [case for case in played if verdicts[case.id] == "hang"]
        found[name] = verdicts | play_client(name, hung, 4 * HANG_S)
        on_client(name)
    return found


def play_client(name: str, cases: Iterable[Case], time_limit_s: float, at_once: int = AT_ONCE) -> dict[str, str]:
    """The verdicts of some cases on a client, each on a client of its own."""
    players = (Player(f"{name}/{case.id}", load_ask(name), [case], time_limit_s) for case in cases)
    results = judge_players(players, at_once)
    return {case: result.verdict.name for (_, case), result in results.items()}


def choose_rows(verdicts: Verdicts, kept: Rows) -> Rows:
    """The rows that show every case and every client, beside those `kept`; what gets through has none."""
    caught = {
        client: {case: name for case, name in found.items() if name in CAUGHT} for client, found in verdicts.items()
    }
    sure = {client: sum(name != "hang" for name in cases.values()) for client, cases in caught.items()}
    by_case = Counter(case for cases in caught.values() for case, name in cases.items() if name != "hang")
    rows = {case: dict(row) for case, row in kept.items()}
    for case in {case: None for cases in caught.values() for case in cases if case not in kept}:
        client = min(
            (client for client, cases in caught.items() if case in cases),
            key=lambda client: (caught[client][case] == "hang", sure[client], client),
        )
        rows[case] = {client: caught[client][case]}
    named = {client for row in rows.values() for client in row}
    for client, cases in caught.items():
        if cases and client not in named:
            case = min(cases, key=lambda case: (cases[case] == "hang", by_case[case], case))
            rows.setdefault(case, {})[client] = cases[case]
    return rows


def confirm_rows(verdicts: Verdicts, kept: Rows, cases: Iterable[Case]) -> Rows:
    """The rows of which each has been seen once more, played alone: in a crowd a case about time may blame a client wrongly."""
    by_id = {case.id: case for case in cases}
    confirmed = {(client, case) for case, row in kept.items() for client in row}
    while True:
        rows = choose_rows(verdicts, kept)
        unseen = {(client, case) for case, row in rows.items() for client in row} - confirmed
        if not unseen:
            return rows
        for client, case in sorted(unseen):
            verdicts[client] |= play_client(client, [by_id[case]], 4 * HANG_S, at_once=1)
        confirmed |= unseen


def write_rows(rows: Rows, cases: Iterable[Case]) -> None:
    """Write `caught_by.yaml`, in the order of the cases, below the comment that it begins with."""
    text = TABLE.read_text("utf-8")
    heading = "".join(line for line in text.splitlines(keepends=True) if line.startswith("#"))
    lines = (
        f"{case.id}: {{{', '.join(f'{client}: {verdict}' for client, verdict in sorted(rows[case.id].items()))}}}\n"
        for case in cases
        if case.id in rows
    )
    TABLE.write_text(heading + "\n" + "".join(lines), "utf-8")
