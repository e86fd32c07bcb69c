"""openai-python: `create(stream=True)`, each chunk read in a loop."""

from openai import OpenAI

LACKS = ("parsed_arguments",)
client = OpenAI(base_url="http://127.0.0.1/v1", api_key="test")


def ask(case, outcome):
    own = client.with_options(base_url=case.base_url, timeout=case.timeout_s, max_retries=case.retries)
    with own.chat.completions.create(**case.request) as stream:
        for chunk in outcome.each(stream):
            outcome.add_chunk(chunk)
