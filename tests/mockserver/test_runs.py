import msgspec
from hypothesis import given
from hypothesis import strategies as st

from mockserver.runs import Token, Tokens
from tests.mockserver.strategies_local import texts


@given(st.lists(texts, min_size=1, max_size=8))
def test_the_texts_of_a_run_are_what_json_writes_whole_or_in_part(said: list[str]) -> None:
    [run] = Tokens(Token("content", text) for text in said).runs
    whole = [msgspec.json.encode(text)[1:-1] for text in said]
    assert run.texts(0, len(said)) == whole
    assert [run.texts(k, k + 1) for k in range(len(said))] == [[text] for text in whole]
    lengths, numbers = run.lengths
    assert [lengths[number] for number in numbers] == [(len(text), len(text.decode())) for text in whole]
    assert len({*lengths}) == len(lengths)
    assert run.largest == max(map(len, whole))
