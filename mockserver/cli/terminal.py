"""How the command speaks to whoever runs it."""

import sys


def tell(message: str) -> None:
    """Print a message in one line on stderr."""
    line = " ".join(message.splitlines())
    print(f"mockserver: {line}", file=sys.stderr, flush=True)
