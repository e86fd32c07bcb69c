"""huggingface_hub: `InferenceClient.chat_completion(stream=True)`, each chunk read in a loop. It makes no retries."""

from huggingface_hub import InferenceClient

LACKS = ("audio", "function_call", "parsed_arguments", "retries")


def ask(case, outcome):
    with InferenceClient(base_url=case.base_url, api_key="test", timeout=case.timeout_s) as client:
        for chunk in outcome.each(client.chat.completions.create(**case.request)):
            outcome.add_chunk(chunk)
