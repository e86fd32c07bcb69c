"""What a server remembers between requests: how often which scenario was asked what. All memory lives here.

Counters are changed by the server's loop alone.
"""

from collections import Counter


class State:
    """Counters of requests: by scenario, and by scenario and request."""

    def __init__(self) -> None:
        self._candidates: Counter[str] = Counter()
        self._turns: Counter[str] = Counter()
        self._ordinals: Counter[tuple[str, str]] = Counter()

    def count_candidate(self, scenario: str) -> int:
        """One more request fulfils the conditions of `scenario`, `nth` apart: how many that makes, from 1."""
        self._candidates[scenario] += 1
        return self._candidates[scenario]

    def next_turn(self, scenario: str) -> int:
        """One more request is answered by `scenario`: how many there were before."""
        count = self._turns[scenario]
        self._turns[scenario] += 1
        return count

    def next_ordinal(self, scenario: str, fingerprint: str) -> int:
        """`scenario` sees this very request: how often it saw it before."""
        key = (scenario, fingerprint)
        count = self._ordinals[key]
        self._ordinals[key] += 1
        return count

    def clear(self) -> None:
        """Forget everything."""
        self._candidates.clear()
        self._turns.clear()
        self._ordinals.clear()
