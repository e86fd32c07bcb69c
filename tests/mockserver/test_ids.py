import re

from hypothesis import given
from hypothesis import strategies as st

from mockserver.ids import make_id

SHAPES = {"chatcmpl-": r"chatcmpl-[A-Za-z0-9]{29}", "call_": r"call_[A-Za-z0-9]{24}", "req_": r"req_[0-9a-f]{32}"}

prefixes = st.sampled_from(list(SHAPES))
keys = st.text(max_size=30)


@given(prefixes, keys)
def test_an_id_has_the_length_and_letters_of_the_real_apis(prefix: str, key: str) -> None:
    assert re.fullmatch(SHAPES[prefix], make_id(prefix, key))


@given(st.text("abc-_", min_size=1, max_size=8), keys)
def test_an_unknown_prefix_gets_an_id_like_a_calls(prefix: str, key: str) -> None:
    assert re.fullmatch(re.escape(prefix) + "[A-Za-z0-9]{24}", make_id(prefix, key))


@given(prefixes, keys, keys)
def test_the_same_key_gives_the_same_id_and_another_key_another(prefix: str, one: str, other: str) -> None:
    assert (make_id(prefix, one) == make_id(prefix, other)) == (one == other)


@given(keys)
def test_ids_of_different_kinds_share_nothing_but_the_key(key: str) -> None:
    assert make_id("chatcmpl-", key)[9:33] != make_id("call_", key)[5:]


def test_ids_stay_the_same_from_release_to_release() -> None:
    assert make_id("chatcmpl-", "0/paced/1") == "chatcmpl-JhmnY9dG4sNmMDKUasNRysW31aqUl"
    assert make_id("call_", "0/paced/1") == "call_X2KLB9jumQAawZA0mITw40Pe"
    assert make_id("req_", "0/paced/1") == "req_3eba7957ee8f15bac60d68c1b1bab03c"


def test_every_letter_of_the_alphabet_occurs() -> None:
    letters = set("".join(make_id("call_", str(k))[5:] for k in range(200)))
    assert len(letters) == 62
