"""Short sentences become long ones before a film is made from them: models are trained on
paragraphs, and people write five words.
"""

import json
import re
from collections.abc import Callable
from typing import Any, Final

from praxino.cards import ModelCard
from praxino.chat import ChatEndpoint
from praxino.errors import EndpointError, InputError
from praxino.references import mentions
from praxino.request import MAX_PROMPT_CHARS, Request

TEMPERATURE: Final = 0.3
MAX_TOKENS: Final = 512
SYSTEM: Final = """\
You rewrite one sentence into the caption of a short film, for a text-to-video model.
Keep everything it says. Add only how it looks where it says nothing of that: place, time of day,
weather, light, camera. Add no persons, animals, things, dialogue or text.
Copy words that begin with @, numbers, and text in quotation marks exactly.
Write at most {words} words, in plain sentences, in the language of the sentence.
Answer with JSON alone: {{"prompt": "..."}}"""
LLM_WORDS: Final = 100
GRAMMAR_WORDS: Final = 60


def recaption(
    request: Request,
    card: ModelCard,
    meaning: str,
    validate: Callable[[str], None],
    endpoint: ChatEndpoint | None = None,
) -> tuple[str, list[str]]:
    """The sentence that a model reads in place of the request's.

    Parameters
    ----------
    meaning : str
        The sentence with descriptions in the place of names.
    validate : callable
        Raises `InputError` for a sentence that the model cannot read.
    endpoint : ChatEndpoint, optional
        In place of that of the environment.

    Returns
    -------
    str, list of str
        Where the language model says nothing that can be used, what the grammar says, or else the
        sentence as it is; and notes on that.
    """
    if request.recaption == "off":
        return request.prompt, []
    notes = []
    if request.recaption == "llm":
        try:
            rewritten = _rewritten(request, card, endpoint or ChatEndpoint.from_environment())
            validate(rewritten)
            return rewritten, []
        except (EndpointError, InputError) as error:
            instead = "the grammar" if card.grammar else "nothing"
            problem = f"answers: {error}" if isinstance(error, InputError) else error
            notes.append(
                f"recaption: the language model {problem}; {instead} completed the sentence"
            )
    if not card.grammar:
        return request.prompt, notes
    from praxino.data.diorama.expand import expand

    return expand(request.prompt, request.seed, meaning), notes


def _rewritten(request: Request, card: ModelCard, endpoint: ChatEndpoint | None) -> str:
    if endpoint is None:
        raise EndpointError("is not there: PRAXINO_LLM_URL names none")
    words = GRAMMAR_WORDS if card.grammar else LLM_WORDS
    messages = [
        {"role": "system", "content": SYSTEM.format(words=words)},
        {"role": "user", "content": request.prompt},
    ]
    return parse_answer(
        endpoint.complete(messages, request.seed % 2**31, TEMPERATURE, MAX_TOKENS), request.prompt
    )


def parse_answer(answer: str, prompt: str) -> str:
    """The sentence in a language model's answer.

    Raises
    ------
    EndpointError
        If there is none, or it lost or added a name, or lost a number or a quoted text.
    """
    text = re.sub(r"^```(?:json)?\s*|\s*```$", "", answer.strip())
    try:
        tree: Any = json.loads(text)
    except (ValueError, RecursionError):
        raise EndpointError("answers with something that is no JSON") from None
    sentence = tree.get("prompt") if isinstance(tree, dict) else None
    if not isinstance(sentence, str) or not sentence.strip():
        raise EndpointError("answers without a sentence")
    sentence = " ".join(sentence.split())
    if len(sentence) > MAX_PROMPT_CHARS:
        raise EndpointError(f"answers with {len(sentence)} characters")
    if {name.lower() for name in mentions(sentence)} != {name.lower() for name in mentions(prompt)}:
        raise EndpointError("answers with other names")
    for kept in re.findall(r"\d+|[\"“][^\"”]*[\"”]", prompt):
        if kept not in sentence:
            raise EndpointError(f"lost {kept}")
    return sentence
