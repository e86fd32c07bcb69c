"""The broken clients from the command line.

python -m tests.broken_clients NAME     is that client: it speaks the consumer protocol
python -m tests.broken_clients          plays every case to every client and writes caught_by.yaml anew; takes a quarter of an hour
"""

import json
import sys

from mockserver.conformance import load_cases
from tests.broken_clients.matrix import LONG, confirm_rows, load_rows, play_product, write_rows
from tests.broken_clients.variations import load_ask, load_variations


def speak(name: str) -> None:
    """Answer every line of standard input."""
    ask = load_ask(name)
    print(json.dumps({"consumer": f"broken client {name}", "version": "1", "lacks": []}), flush=True)
    for line in sys.stdin:
        print(json.dumps(ask(json.loads(line))), flush=True)


def regenerate() -> None:
    """Choose the rows of `caught_by.yaml` anew, but for those of the long cases."""
    cases = load_cases()
    verdicts = play_product(load_variations(), cases)
    rows = confirm_rows(verdicts, {case: row for case, row in load_rows().items() if case in LONG}, cases)
    write_rows(rows, cases)
    named = {client for row in rows.values() for client in row}
    for what, missing in (
        ("cases", [case.id for case in cases if case.id not in rows]),
        ("clients", load_variations().keys() - named),
    ):
        if missing:
            print(f"not caught, {what}: {', '.join(sorted(missing))}")


if __name__ == "__main__":
    speak(sys.argv[1]) if len(sys.argv) > 1 else regenerate()
