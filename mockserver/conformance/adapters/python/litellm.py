"""litellm: `completion(stream=True)` with its openai provider, each chunk read in a loop."""

import os

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm

LACKS = ("parsed_arguments", "refusal")


def ask(case, outcome):
    request = {**case.request, "model": f"openai/{case.request['model']}"}
    stream = litellm.completion(
        **request, api_base=case.base_url, api_key="test", timeout=case.timeout_s, max_retries=case.retries
    )
    for chunk in outcome.each(stream):
        outcome.add_chunk(chunk)
