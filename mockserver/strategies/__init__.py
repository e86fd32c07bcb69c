"""Hypothesis strategies for tests of your own: what a server may mean, and every way of sending it.

    @given(scenarios())
    def test_my_client_gets_every_reply(scenario): ...

Needs the extra `strategies`. Each is built from small parts that are left as they are by default, so that a failing example
shrinks to the few things that matter, and prints as a scenario file.
"""

from mockserver.strategies.deliveries import deliveries
from mockserver.strategies.faults import faults
from mockserver.strategies.parts import partitions
from mockserver.strategies.replies import replies
from mockserver.strategies.scenarios import as_file, chunk_lists, scenarios

__all__ = ["as_file", "chunk_lists", "deliveries", "faults", "partitions", "replies", "scenarios"]
