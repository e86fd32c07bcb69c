import math
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mockserver.logprobs import token_logprob

tokens = st.text(min_size=0, max_size=6) | st.sampled_from([" the", ".", "\n", "!"])
positions = st.integers(0, 10_000)
seeds = st.text(max_size=8)
tops = st.integers(0, 20)


def share(entry: dict[str, Any]) -> float:
    return math.exp(entry["logprob"])


@given(tokens, positions, tops, seeds)
def test_the_same_token_at_the_same_place_has_the_same_value(token: str, position: int, top: int, seed: str) -> None:
    first = token_logprob(token, position, top, seed)
    assert token_logprob(token, position, top, seed) == first
    # How many alternatives are asked for is no matter of the token's own probability.
    assert token_logprob(token, position, 0, seed)["logprob"] == first["logprob"]


def test_the_place_the_seed_and_the_token_all_matter() -> None:
    values = {
        token_logprob(token, position, 0, seed)["logprob"]
        for token in (" a", " b")
        for position in range(50)
        for seed in ("1", "2")
    }
    assert len(values) == 200


@given(tokens, positions, tops, seeds)
def test_an_entry_tells_its_token_and_its_bytes(token: str, position: int, top: int, seed: str) -> None:
    entry = token_logprob(token, position, top, seed)
    assert list(entry) == ["token", "logprob", "bytes", "top_logprobs"]
    assert entry["token"] == token
    for one in [entry, *entry["top_logprobs"]]:
        assert bytes(one["bytes"]).decode() == one["token"]
        assert -9999.0 <= one["logprob"] <= 0.0


@given(tokens, positions, tops, seeds)
def test_as_many_alternatives_as_asked_for_the_likeliest_first(token: str, position: int, top: int, seed: str) -> None:
    entry = token_logprob(token, position, top, seed)
    alternatives = entry["top_logprobs"]
    assert len(alternatives) == top
    assert len({one["token"] for one in alternatives}) == top
    assert all(one["logprob"] >= other["logprob"] for one, other in pairwise(alternatives))
    assert all(list(one) == ["token", "logprob", "bytes"] for one in alternatives)
    if top:
        assert {key: entry[key] for key in ("token", "logprob", "bytes")} in alternatives


@given(tokens, positions, tops, seeds)
def test_probabilities_add_up_to_one_at_most(token: str, position: int, top: int, seed: str) -> None:
    entry = token_logprob(token, position, top, seed)
    assert sum(map(share, entry["top_logprobs"])) <= 1 + 1e-9


def test_the_token_said_is_the_likeliest_as_with_a_model_of_low_temperature() -> None:
    entries = [token_logprob(" word", position, 5, "0") for position in range(1_000)]
    assert all(entry["top_logprobs"][0]["token"] == " word" for entry in entries)
    shares = [share(entry) for entry in entries]
    assert min(shares) >= 0.5
    assert 0.85 < sum(shares) / len(shares) < 0.97
