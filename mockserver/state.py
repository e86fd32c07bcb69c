"""What a server remembers between requests: how often which scenario was asked what. All memory lives here.

The server's loop counts; other threads renew, forget and say what is to become of connections meanwhile: each is done whole.
"""

from collections import Counter
from collections.abc import Iterable
from threading import Lock

from mockserver.limits import Buckets, charge, make_buckets
from mockserver.scenario import OnConnect, RateLimit, Scenario


class State:
    """Counters of requests, by scenario and by scenario and request; what of each limit is used up; what connections wait for."""

    def __init__(self) -> None:
        self._candidates: Counter[str] = Counter()
        self._turns: Counter[str] = Counter()
        self._ordinals: Counter[tuple[str, str]] = Counter()
        self._buckets: dict[tuple[str, RateLimit], Buckets] = {}
        self._expecting: dict[str, tuple[OnConnect, int]] = {}
        self._lock = Lock()

    def count_candidate(self, scenario: str) -> int:
        """One more request fulfils the conditions of `scenario`, `nth` apart: how many that makes, from 1."""
        with self._lock:
            self._candidates[scenario] += 1
            return self._candidates[scenario]

    def next_turn(self, scenario: str) -> int:
        """One more request is answered by `scenario`: how many there were before."""
        with self._lock:
            count = self._turns[scenario]
            self._turns[scenario] = count + 1
            return count

    def next_ordinal(self, scenario: str, fingerprint: str) -> int:
        """`scenario` sees this very request: how often it saw it before."""
        key = (scenario, fingerprint)
        with self._lock:
            count = self._ordinals[key]
            self._ordinals[key] = count + 1
            return count

    def charge(self, scenario: str, limit: RateLimit, tokens: int, model: str, now_s: float) -> Buckets:
        """One more request of that many tokens for `scenario`, which has a limit: what is left of it.

        Raises `RequestError` (429) if it is over the limit.
        """
        key = (scenario, limit)
        with self._lock:
            buckets = self._buckets[key] = charge(self._buckets.get(key) or make_buckets(limit), tokens, model, now_s)
            return buckets

    def expect(self, scenarios: Iterable[Scenario]) -> None:
        """From now on, the next connections meet what these scenarios have for them, before those that were told earlier."""
        loaded = {one.name: one.on_connect for one in scenarios}
        with self._lock:
            new = {name: (on_connect, on_connect.connections) for name, on_connect in loaded.items() if on_connect}
            old = {name: expected for name, expected in self._expecting.items() if name not in loaded}
            self._expecting = {**new, **old}

    def next_connection(self) -> tuple[str, OnConnect] | None:
        """One more connection is made: the scenario that it is for, and what becomes of it; None: it is served."""
        with self._lock:
            for name, (on_connect, left) in self._expecting.items():
                if left > 1:
                    self._expecting[name] = (on_connect, left - 1)
                else:
                    del self._expecting[name]
                return name, on_connect
        return None

    def renew(self, scenarios: Iterable[str]) -> None:
        """These scenarios are others than those that had their names: their turns, their `nth` and their limits start anew.

        Ordinals go on, so that an answer of the new scenario never has the ids of one of the old.
        """
        renewed = set(scenarios)
        with self._lock:
            for counter in (self._candidates, self._turns):
                for name in renewed:
                    counter.pop(name, None)
            self._buckets = {key: left for key, left in self._buckets.items() if key[0] not in renewed}

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            for kept in (self._candidates, self._turns, self._ordinals, self._buckets, self._expecting):
                kept.clear()
