"""openai-python: the helper `chat.completions.stream()`, which adds the chunks up itself."""

from openai import OpenAI

LACKS = ()
client = OpenAI(base_url="http://127.0.0.1/v1", api_key="test")


def ask(case, outcome):
    own = client.with_options(base_url=case.base_url, timeout=case.timeout_s, max_retries=case.retries)
    request = {key: value for key, value in case.request.items() if key != "stream"}
    with own.chat.completions.stream(**request) as stream:
        for event in outcome.each(event for event in stream if event.type == "chunk"):
            outcome.add_chunk(event.chunk)
        completion = stream.get_final_completion()
    for choice in completion.choices:
        outcome.add_message(choice.message, choice.finish_reason, choice.index)
    outcome.usage = completion.usage
