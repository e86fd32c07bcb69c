"""A broken client as a program that speaks the consumer protocol: `python -m tests.broken_clients NAME`."""

import json
import sys

from tests.broken_clients.variations import load_ask


def main(name: str) -> None:
    """Answer every line of standard input."""
    ask = load_ask(name)
    print(json.dumps({"consumer": f"broken client {name}", "version": "1", "lacks": []}), flush=True)
    for line in sys.stdin:
        print(json.dumps(ask(json.loads(line))), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
