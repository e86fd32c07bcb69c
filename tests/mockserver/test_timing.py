import math
from itertools import accumulate, cycle, islice, pairwise
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from mockserver.shorthand import Duration, decode_shorthand, encode_shorthand
from mockserver.timing import UNPACED, Comments, Pause, Schedule, Timing

seconds = st.floats(0, 1_000)
sigmas = st.floats(0, 10)
seeds = st.text(max_size=5)


@st.composite
def ranges(draw: st.DrawFn) -> list[float]:
    return sorted([draw(seconds), draw(seconds)])


written: st.SearchStrategy[Any] = st.one_of(
    seconds,
    ranges(),
    ranges().map(lambda ends: {"uniform": ends}),
    st.tuples(seconds, seconds).map(lambda given: {"normal": list(given)}),
    st.tuples(seconds, sigmas).map(lambda given: {"lognormal": list(given)}),
    seconds.map(lambda mean: {"exponential": mean}),
    st.lists(seconds, min_size=1, max_size=5).map(lambda pauses: {"recorded": pauses}),
)
pauses = written.map(Pause.decode)


def draw_lengths(pause: Pause, count: int, seed: str = "7") -> list[float]:
    return list(islice(pause.lengths(Random(seed)), count))


def times(timing: Timing, count: int, seed: str = "") -> list[float]:
    return list(islice(Schedule(timing, seed), count))


# What a file may write

FORMS: list[tuple[object, Pause]] = [
    (0, Pause("fixed", (0.0,))),
    ("20ms", Pause("fixed", (0.02,))),
    (1.5, Pause("fixed", (1.5,))),
    (["5ms", "15ms"], Pause("uniform", (0.005, 0.015))),
    ((0, 1), Pause("uniform", (0.0, 1.0))),
    ({"uniform": ["5ms", 0.005]}, Pause("uniform", (0.005, 0.005))),
    ({"normal": ["20ms", "5ms"]}, Pause("normal", (0.02, 0.005))),
    ({"lognormal": ["20ms", 0.5]}, Pause("lognormal", (0.02, 0.5))),
    ({"exponential": "20ms"}, Pause("exponential", (0.02,))),
    ({"recorded": ["20ms", 0, "1s"]}, Pause("recorded", (0.02, 0.0, 1.0))),
]


@pytest.mark.parametrize(("value", "pause"), FORMS, ids=[str(value) for value, _ in FORMS])
def test_a_pause_has_a_form_for_every_kind(value: object, pause: Pause) -> None:
    assert Pause.decode(value) == pause


@given(written)
def test_a_pause_written_again_is_the_same_pause(value: object) -> None:
    pause = Pause.decode(value)
    assert Pause.decode(pause.encode()) == pause
    assert all(type(number) is float for number in pause.values)


@given(pauses)
def test_what_is_written_fits_the_schema_and_json(pause: Pause) -> None:
    said = msgspec.json.decode(msgspec.json.encode(pause.encode()))
    assert said == pause.encode()
    Draft202012Validator(Pause.schema).validate(said)


MALFORMED: list[tuple[object, str]] = [
    (None, r"expected a duration, a range \[min, max\] or one of uniform, normal, lognormal, exponential, recorded, got None"),
    (True, "expected a duration such as 0.02, 20ms, 1.5s or 2m, got True"),
    (-1, "expected a duration such as .*, got -1"),
    (math.nan, "expected a duration such as .*, got nan"),
    (math.inf, "expected a duration such as .*, got inf"),
    ("", "expected a duration such as .*, got ''"),
    ("20 parsecs", "expected a duration such as .*, got '20 parsecs'"),
    ("-5ms", "expected a duration such as .*, got '-5ms'"),
    ([], r"a range has two ends, \[min, max\]; recorded pauses are written {recorded: \[…\]}; got \[\]"),
    ([1, 2, 3], r"a range has two ends, .*; got \[1, 2, 3\]"),
    (["5ms", "x"], "expected a duration such as .*, got 'x'"),
    (["15ms", "5ms"], r"a range goes upwards: expected \[min, max\], got \['15ms', '5ms'\]"),
    ({"uniform": [2, 1]}, r"a range goes upwards: expected \[min, max\], got \[2, 1\]"),
    ({}, "expected a duration, a range .*, got {}"),
    ({"uniform": [1, 2], "normal": [1, 2]}, "expected a duration, a range .*, got {'uniform'"),
    ({"gamma": [1, 2]}, "unknown distribution 'gamma': expected one of uniform, normal, lognormal, exponential, recorded"),
    ({"fixed": 1}, "unknown distribution 'fixed': expected one of"),
    ({7: [1, 2]}, "unknown distribution 7: expected one of"),
    ({"uniform": 1}, r"uniform takes \[min, max\], got 1"),
    ({"uniform": [1]}, r"uniform takes \[min, max\], got \[1\]"),
    ({"normal": "20ms"}, r"normal takes \[mean, sd\], got '20ms'"),
    ({"normal": [1, -1]}, "expected a duration such as .*, got -1"),
    ({"lognormal": [1, 2, 3]}, r"lognormal takes \[median, sigma\], got \[1, 2, 3\]"),
    ({"lognormal": [1, "5ms"]}, "sigma: expected a number from 0 to 10, without unit, got '5ms'"),
    ({"lognormal": [1, True]}, "sigma: expected a number from 0 to 10, without unit, got True"),
    ({"lognormal": [1, 10.1]}, "sigma: expected a number from 0 to 10, without unit, got 10.1"),
    ({"lognormal": [1, math.nan]}, "sigma: expected a number from 0 to 10, without unit, got nan"),
    ({"exponential": [1]}, r"expected a duration such as .*, got \[1\]"),
    ({"exponential": {"mean": 1}}, "expected a duration such as .*, got {'mean': 1}"),
    ({"recorded": []}, r"recorded takes a list of at least one pause, got \[\]"),
    ({"recorded": "20ms"}, "recorded takes a list of at least one pause, got '20ms'"),
    ({"recorded": [1, None]}, "expected a duration such as .*, got None"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "message"), MALFORMED, ids=[str(value) for value, _ in MALFORMED])
def test_a_malformed_pause_is_refused_with_what_was_expected_and_what_came(value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Pause.decode(value)


scalars = (
    st.none() | st.booleans() | st.integers(-2, 9) | st.floats(-1, 12) | st.sampled_from(["20ms", "1.5s", "5 h", "x"])
)
lists = st.lists(scalars, max_size=3)
kinds = st.sampled_from(["uniform", "normal", "lognormal", "exponential", "recorded", "fixed", "other"])
anything = scalars | lists | st.dictionaries(kinds, scalars | lists, max_size=2)


@given(anything)
@example({"exponential": ["20ms"]})
@example({"recorded": "20ms"})
@example({"lognormal": [1, "0.5"]})
def test_what_is_read_is_what_the_schema_allows(value: Any) -> None:
    """`serve` reads with `decode`, `validate` and editors with the schema: they must say the same."""
    try:
        Pause.decode(value)
        error = None
    except ValueError as raised:
        error = str(raised)
    # That a range goes upwards is the one thing that a schema cannot say.
    assume(error is None or "goes upwards" not in error)
    assert Draft202012Validator(Pause.schema).is_valid(value) == (error is None), error


def test_timing_is_read_from_a_file_and_written_again() -> None:
    read = msgspec.convert(
        {"ttft": "100ms", "itl": ["10ms", "20ms"], "headers": "50ms", "seed": 7}, Timing, dec_hook=decode_shorthand
    )
    assert read == Timing(
        ttft=Pause("fixed", (0.1,)), itl=Pause("uniform", (0.01, 0.02)), headers=Duration(0.05), seed=7
    )
    assert msgspec.to_builtins(read, enc_hook=encode_shorthand) == {
        "ttft": 0.1,
        "itl": {"uniform": [0.01, 0.02]},
        "headers": 0.05,
        "seed": 7,
    }
    assert msgspec.to_builtins(UNPACED, enc_hook=encode_shorthand) == {}


# The distributions


@given(pauses, seeds)
def test_lengths_are_never_negative_and_never_beyond_all_numbers(pause: Pause, seed: str) -> None:
    assert all(0 <= length < math.inf for length in draw_lengths(pause, 50, seed))


@given(pauses, seeds)
def test_the_same_seed_gives_the_same_lengths(pause: Pause, seed: str) -> None:
    assert draw_lengths(pause, 20, seed) == draw_lengths(pause, 20, seed)


@pytest.mark.parametrize("value", [[0, 1], {"normal": [1, 0.1]}, {"lognormal": [1, 0.5]}, {"exponential": 1}], ids=str)
def test_another_seed_gives_other_lengths_where_they_vary(value: object) -> None:
    pause = Pause.decode(value)
    assert pause.varies
    assert draw_lengths(pause, 20, "7") != draw_lengths(pause, 20, "8")
    assert len(set(draw_lengths(pause, 20))) == 20


@pytest.mark.parametrize("value", ["20ms", {"recorded": ["20ms", "30ms"]}], ids=str)
def test_a_seed_makes_no_difference_where_nothing_varies(value: object) -> None:
    pause = Pause.decode(value)
    assert not pause.varies
    assert draw_lengths(pause, 20, "7") == draw_lengths(pause, 20, "8")


@given(ranges(), seeds)
def test_uniform_lengths_lie_between_both_ends(ends: list[float], seed: str) -> None:
    low, high = ends
    assert all(low <= length <= high for length in draw_lengths(Pause.decode(ends), 50, seed))


@given(st.lists(seconds, min_size=1, max_size=5), st.integers(0, 20))
def test_recorded_pauses_come_in_turn_and_begin_again(recorded: list[float], count: int) -> None:
    assert draw_lengths(Pause.decode({"recorded": recorded}), count) == list(islice(cycle(recorded), count))


@pytest.mark.parametrize("value", [[3, 3], {"normal": [3, 0]}, {"lognormal": [3, 0]}], ids=str)
def test_without_spread_every_length_is_the_middle(value: object) -> None:
    assert draw_lengths(Pause.decode(value), 5) == pytest.approx([3.0] * 5)


@pytest.mark.parametrize("value", [[0, 0], {"normal": [0, 0]}, {"lognormal": [0, 5]}, {"exponential": 0}], ids=str)
def test_nothing_stays_nothing(value: object) -> None:
    assert draw_lengths(Pause.decode(value), 5) == [0.0] * 5


MEANS = [
    ([0.01, 0.03], 0.02),
    ({"normal": [0.02, 0.005]}, 0.02),
    # Clipped at 0, a standard normal has the mean of its upper half: 1 / √(2π).
    ({"normal": [0, 1]}, 1 / math.sqrt(2 * math.pi)),
    # The mean of a lognormal is median · exp(σ²/2).
    ({"lognormal": [0.02, 0.5]}, 0.02 * math.exp(0.125)),
    ({"exponential": 0.02}, 0.02),
]


@pytest.mark.parametrize(("value", "mean"), MEANS, ids=[str(value) for value, _ in MEANS])
def test_the_mean_of_many_lengths_is_the_distributions(value: object, mean: float) -> None:
    lengths = draw_lengths(Pause.decode(value), 20_000)
    assert sum(lengths) / len(lengths) == pytest.approx(mean, rel=0.03)


def test_half_of_the_lognormal_lengths_lie_below_the_median() -> None:
    lengths = draw_lengths(Pause.decode({"lognormal": [0.02, 1.5]}), 20_000)
    assert sum(length < 0.02 for length in lengths) == pytest.approx(10_000, rel=0.03)


def test_a_normal_length_is_clipped_not_drawn_again() -> None:
    lengths = draw_lengths(Pause.decode({"normal": [0, 1]}), 20_000)
    assert lengths.count(0.0) == pytest.approx(10_000, rel=0.03)


# The schedule


def test_unpaced_everything_is_due_at_once() -> None:
    schedule = Schedule(UNPACED)
    assert list(islice(schedule, 3)) == [0.0, 0.0, 0.0]
    assert schedule.ttft_s == 0.0


@given(pauses, pauses, seeds)
def test_due_times_never_decrease_and_are_the_same_each_time(ttft: Pause, itl: Pause, seed: str) -> None:
    schedule = Schedule(Timing(ttft, itl), seed)
    due = list(islice(schedule, 30))
    assert all(earlier <= later for earlier, later in pairwise(due))
    assert list(islice(schedule, 30)) == due
    assert schedule.ttft_s == due[0]


@given(seconds, seconds, st.integers(0, 5_000))
def test_a_fixed_itl_does_not_drift(ttft: float, itl: float, k: int) -> None:
    timing = Timing(Pause("fixed", (ttft,)), Pause("fixed", (itl,)))
    assert next(islice(Schedule(timing), k, None)) == ttft + k * itl


def test_after_a_hundred_thousand_tokens_a_fixed_itl_is_still_exact() -> None:
    timing = Timing(itl=Pause.decode("10ms"))
    assert next(islice(Schedule(timing), 100_000, None)) == 1_000.0


@given(seconds, st.lists(seconds, min_size=1, max_size=5), st.integers(1, 20))
def test_token_k_is_due_at_ttft_plus_the_first_k_pauses(ttft: float, recorded: list[float], count: int) -> None:
    timing = Timing(Pause("fixed", (ttft,)), Pause.decode({"recorded": recorded}))
    assert times(timing, count) == list(accumulate(islice(cycle(recorded), count - 1), initial=ttft))


def test_times_vary_with_the_seed_and_only_if_something_varies() -> None:
    jittered = Timing(itl=Pause.decode([0, 1]))
    assert times(jittered, 10, "a") != times(jittered, 10, "b")
    late = Timing(ttft=Pause.decode([0, 1]), itl=Pause.decode("10ms"))
    assert times(late, 10, "a") != times(late, 10, "b")
    steady = Timing(Pause.decode("1s"), Pause.decode({"recorded": ["1ms", "2ms"]}))
    assert times(steady, 10, "a") == times(steady, 10, "b")


def test_ttft_and_pauses_are_drawn_one_after_the_other() -> None:
    due = times(Timing(Pause.decode([0, 1]), Pause.decode([0, 1])), 4)
    assert len({round(due[0], 9), *(round(b - a, 9) for a, b in pairwise(due))}) == 4


# Bursts and replays at another speed


@given(pauses, pauses, st.integers(1, 7), seeds)
def test_a_burst_leaves_at_once_when_its_first_token_is_due(ttft: Pause, itl: Pause, burst: int, seed: str) -> None:
    single = times(Timing(ttft, itl), 30, seed)
    assert times(Timing(ttft, itl, burst=burst), 30, seed) == [single[k - k % burst] for k in range(30)]


@given(pauses, pauses, st.floats(0.01, 100), st.integers(1, 3), seeds)
def test_at_another_speed_every_token_comes_that_much_sooner(
    ttft: Pause, itl: Pause, speed: float, burst: int, seed: str
) -> None:
    told = times(Timing(ttft, itl, burst=burst), 20, seed)
    assert times(Timing(ttft, itl, burst=burst, speed=speed), 20, seed) == [due / speed for due in told]


WRONG = [
    ({"burst": 0}, "Expected `int` >= 1"),
    ({"speed": 0}, "Expected `float` > 0"),
    ({"speed": -1}, "Expected `float` > 0"),
    ({"speed": math.nan}, "Expected `float` > 0"),
    ({"comments": {"every": 0}}, "expected a time between them of more than 0"),
    ({"pauses": [{"at": "after_done"}]}, "missing required field `lasts`"),
    ({"itl": "x"}, "expected a duration .*, got 'x'.* - at `\\$.itl`"),
    ({"ttl": "1s"}, "unknown field `ttl`"),
]


@pytest.mark.parametrize(("values", "message"), WRONG, ids=[str(values) for values, _ in WRONG])
def test_wrong_timing_is_refused_where_it_is_read(values: dict[str, Any], message: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=message):
        msgspec.convert(values, Timing, dec_hook=decode_shorthand)


def test_comments_and_pauses_at_places_are_read() -> None:
    read = msgspec.convert({"comments": {"every": "15s"}}, Timing, dec_hook=decode_shorthand)
    assert read.comments == Comments(every=Duration(15))
    assert read.comments.text == " keep-alive"
