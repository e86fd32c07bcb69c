"""Hypothesis: replies, made of words that have met trouble: several bytes to a character, quotes, line ends, white space."""

from typing import Any

from hypothesis import strategies as st

from mockserver.reply import Choice, FunctionCall, Reply, ToolCall

FINISH_REASONS = ("stop", "length", "tool_calls", "content_filter", "function_call")

words = st.sampled_from(
    ["Hello", " world", ",", " 1", "2", "\n", "naïve", " 你好", "🙂", '{"a":', ' "b"}', "  ", "STOP"]
)
characters = st.characters(exclude_categories=["Cs"])
"""What UTF-8 can encode. Told by codec, as it is by default, Hypothesis would first try every character: more than a second."""
texts = st.lists(words, max_size=8).map("".join) | st.text(characters, max_size=20)
pieces = st.lists(words | st.text(characters, max_size=4), max_size=6).map(tuple)
names = st.text("abcXYZ019_-", min_size=1, max_size=12)
_values: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | st.integers() | texts | st.lists(st.integers(), max_size=2)
)
objects: st.SearchStrategy[dict[str, Any]] = st.dictionaries(names, _values, max_size=3)
arguments: st.SearchStrategy[str | dict[str, Any]] = texts | objects
call_ids = st.none() | st.text("abcXYZ019", min_size=24, max_size=24).map("call_".__add__)

function_tools = st.builds(ToolCall, names, arguments=arguments, id=call_ids) | st.builds(
    ToolCall, names, id=call_ids, pieces=pieces
)
json_tools = st.builds(ToolCall, names, arguments=objects, id=call_ids)
"""Calls whose arguments are JSON, as a consumer may demand of a finished reply."""
custom_tools = st.builds(ToolCall, names, id=call_ids, type=st.just("custom"), input=st.none() | texts) | st.builds(
    ToolCall, names, id=call_ids, type=st.just("custom"), pieces=pieces
)
function_calls = st.builds(FunctionCall, names, arguments=arguments) | st.builds(FunctionCall, names, pieces=pieces)
json_function_calls = st.builds(FunctionCall, names, arguments=objects)

ANY_TOOLS = function_tools | custom_tools


@st.composite
def choices(
    draw: st.DrawFn,
    tools: st.SearchStrategy[ToolCall] | None = ANY_TOOLS,
    functions: st.SearchStrategy[FunctionCall] | None = function_calls,
    finish_reasons: tuple[str, ...] = FINISH_REASONS,
) -> Choice:
    """Any choice that a scenario can write down."""
    own = draw(st.booleans())
    # Ids tell calls apart: two calls of one id are none that a model makes.
    several = (
        st.lists(tools, max_size=3, unique_by=lambda call: call.id or object()) if tools is not None else st.just([])
    )
    calls = tuple(draw(several))
    return Choice(
        content=None if own else draw(st.none() | texts),
        pieces=draw(pieces) if own else None,
        reasoning=draw(st.none() | texts),
        refusal=draw(st.none() | texts),
        tool_calls=calls,
        function_call=None if calls or functions is None else draw(st.none() | functions),
        finish_reason=draw(st.none() | st.sampled_from(finish_reasons)),
    )


def replies(
    tools: st.SearchStrategy[ToolCall] | None = ANY_TOOLS,
    functions: st.SearchStrategy[FunctionCall] | None = function_calls,
    finish_reasons: tuple[str, ...] = FINISH_REASONS,
    max_choices: int = 3,
) -> st.SearchStrategy[Reply]:
    """Replies: one choice written directly, or several.

    `tools` and `functions` are the calls there may be (None: none; `json_tools`: only with arguments that are JSON);
    `finish_reasons` those that may be told in place of the one that follows from the rest; `max_choices` how many choices.
    """
    each = choices(tools, functions, finish_reasons)
    one = each.map(lambda choice: Reply(**{field: getattr(choice, field) for field in Choice.__struct_fields__}))
    if max_choices < 2:
        return one
    return one | st.lists(each, min_size=1, max_size=max_choices).map(lambda several: Reply(choices=tuple(several)))
