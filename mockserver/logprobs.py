"""Real-looking log probabilities: the same for the same token at the same place, in a stream and in a whole answer."""

import math
from random import Random
from typing import Any

_ALTERNATIVES = ("\n", " the", " a", ".", ",", " and", " of", " to", " in", " is", " I", "The", " it", "-", " not", " you", ":",
                 " that", " for", "!")  # fmt: skip


def token_logprob(token: str, position: int, top: int, seed: str) -> dict[str, Any]:
    """The `ChatCompletionTokenLogprob` of `token`, which stands at `position`, with its `top` likeliest alternatives.

    The probabilities of the alternatives add up to less than 1 and go down; the token said is among them, as it mostly is
    where a model answers with little temperature. `bytes` are the token's UTF-8: those of all tokens add up to the text.
    """
    random = Random(f"{seed}/{position}/{token}")
    share = 0.5 + 0.5 * random.betavariate(5, 1)
    said = _entry(token, share)
    if not top:
        return {**said, "top_logprobs": []}
    others = [other for other in _ALTERNATIVES if other != token]
    random.shuffle(others)
    left, alternatives = 1 - share, [said]
    for other in others[: top - 1]:
        share = left * random.uniform(0.4, 0.8)
        left -= share
        alternatives.append(_entry(other, share))
    alternatives.sort(key=lambda entry: entry["logprob"], reverse=True)
    return {**said, "top_logprobs": alternatives}


def _entry(token: str, share: float) -> dict[str, Any]:
    return {"token": token, "logprob": max(math.log(max(share, 1e-300)), -9999.0), "bytes": list(token.encode())}
