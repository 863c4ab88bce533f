"""A language model behind an address that speaks as the OpenAI chat API does."""

import json
import os
import threading
import urllib.error
import urllib.request
from collections.abc import Sequence
from http.client import HTTPException
from typing import Any, Final
from urllib.parse import urlsplit

from pydantic import Field

from praxino.config import Config
from praxino.errors import EndpointError, InputError

URL_VARIABLE: Final = "PRAXINO_LLM_URL"
MODEL_VARIABLE: Final = "PRAXINO_LLM_MODEL"
KEY_VARIABLE: Final = "PRAXINO_LLM_KEY"
MAX_ANSWER_BYTES: Final = 2**18
RETRIED_STATUS: Final = frozenset((408, 429, 500, 502, 503, 504))
ATTEMPTS: Final = 2


class ChatEndpoint(Config):
    """Where a language model is asked.

    Attributes
    ----------
    url : str
        Up to ``/v1``; http or https.
    key : str
        Sent as a bearer token, and nowhere else; "" where none is needed.
    seconds : float
        For one attempt, from connecting to the last byte.
    """

    url: str
    model: str
    key: str = Field("", repr=False)
    seconds: float = 20.0

    @classmethod
    def from_environment(cls) -> "ChatEndpoint | None":
        """The endpoint that ``PRAXINO_LLM_URL`` and ``PRAXINO_LLM_MODEL`` name, with the key in
        ``PRAXINO_LLM_KEY``; None where no address is there.

        Raises
        ------
        InputError
            For another kind of address, or no model.
        """
        url = os.environ.get(URL_VARIABLE, "").rstrip("/")
        if not url:
            return None
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
            raise InputError(f"{URL_VARIABLE}={url}: no http address", "http://127.0.0.1:11434/v1")
        if not (model := os.environ.get(MODEL_VARIABLE, "")):
            raise InputError(f"{URL_VARIABLE} without {MODEL_VARIABLE}", f"{MODEL_VARIABLE}=NAME")
        return cls(url=url, model=model, key=os.environ.get(KEY_VARIABLE, ""))

    def complete(
        self, messages: Sequence[dict[str, Any]], seed: int, temperature: float, max_tokens: int
    ) -> str:
        """The answer to ``messages``, as text; asked once more where that may help.

        Raises
        ------
        EndpointError
            If there is none in time, or it is none.
        """
        body = {
            "model": self.model,
            "messages": list(messages),
            "seed": seed,
            "temperature": temperature,
            "max_tokens": max_tokens,
        }
        for attempt in range(ATTEMPTS):
            try:
                return _text_of(self._post(json.dumps(body).encode()))
            except EndpointError as error:
                if attempt == ATTEMPTS - 1 or not error.passing:
                    raise
        raise AssertionError

    def _post(self, body: bytes) -> bytes:
        """The body of an answer; whatever hangs is left to itself when the time is over."""
        headers = {"Content-Type": "application/json"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        request = urllib.request.Request(f"{self.url}/chat/completions", body, headers)
        result: list[bytes | EndpointError] = []

        def fetch() -> None:
            try:
                with _OPENER.open(request, timeout=self.seconds) as answer:
                    content = answer.read(MAX_ANSWER_BYTES + 1)
                if len(content) > MAX_ANSWER_BYTES:
                    raise EndpointError("answers with too much")
                result.append(content)
            except EndpointError as error:
                result.append(error)
            except urllib.error.HTTPError as error:
                passing = error.code in RETRIED_STATUS
                result.append(EndpointError(f"answers {error.code}", passing=passing))
                error.close()
            except (OSError, HTTPException, ValueError) as error:
                reason = getattr(error, "reason", None) or type(error).__name__
                result.append(EndpointError(f"cannot be reached ({reason})", passing=True))

        thread = threading.Thread(target=fetch, name="chat", daemon=True)
        thread.start()
        thread.join(self.seconds)
        if not result:
            raise EndpointError(f"says nothing in {self.seconds:g} seconds", passing=True)
        if isinstance(result[0], EndpointError):
            raise result[0]
        return result[0]


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """An endpoint must not send a key, or a sentence, elsewhere."""

    def redirect_request(self, req: Any, fp: Any, code: int, *_: Any) -> None:
        fp.close()
        raise EndpointError(f"answers {code}: it sends elsewhere")


_OPENER: Final = urllib.request.build_opener(_NoRedirect)


def _text_of(content: bytes) -> str:
    """The text of an answer of the chat API; raises `EndpointError` for anything else."""
    try:
        choice = json.loads(content)["choices"][0]
        text = choice["message"]["content"]
    except (ValueError, LookupError, TypeError, RecursionError):
        raise EndpointError("answers with something that is no chat completion") from None
    if not isinstance(text, str):
        raise EndpointError("answers without text")
    if choice.get("finish_reason") == "length":
        raise EndpointError("answers with a text that is cut off")
    return text
