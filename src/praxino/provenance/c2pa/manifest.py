"""What is stated of a file, as C2PA lays it out: written for our own, read of anybody's, as plain
values.

Statements of others are not trusted: whatever is odd in them is left out.
"""

import hashlib
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, Final

from praxino import log
from praxino.config import Config
from praxino.provenance.c2pa.status import is_changed

ALGORITHM: Final = "org.praxino.mark.1"
"""The soft binding: the mark in the pixels."""
LABEL: Final = "org.praxino.generation"
"""The assertion that is our own: the model, and the sentence's hash."""
FORMAT: Final = "org.praxino.file"
"""The assertion that says of what format the file is."""
PARENT: Final = "xmp:iid:parent"
"""How the file that was changed is called within the statements."""
SOURCES: Final = "http://cv.iptc.org/newscodes/digitalsourcetype/"
"""How the IPTC calls ways in which media come about."""
MODEL: Final = "trainedAlgorithmicMedia"
"""The way of what a model made."""
GENERATED: Final = SOURCES + MODEL
MAX_STATEMENT_CHARS: Final = 2000
"""Characters of what is stated that are told: those of a sentence."""


class Declaration(Config):
    """What somebody says of a file that another program made.

    Attributes
    ----------
    model : str
        Name of the model that made it; empty if unsaid.
    prompt : str
        The sentence that it was made from, of which a hash is stated.
    state_prompt : bool
        State the sentence itself, too.
    by : str
        Who declares it.
    edited : bool
        Whether only parts of it were generated.
    """

    model: str = ""
    prompt: str = ""
    state_prompt: bool = False
    by: str = ""
    edited: bool = False


def generated(record: dict[str, Any], prompt: bool) -> dict[str, Any]:
    """The statements of a film with this record (`Pipeline.record`); ``prompt``: its sentence,
    too.
    """
    sentence = str(record.get("prompt", ""))
    own = {
        "model": record.get("model", ""),
        "model_hash": record.get("digest", ""),
        "prompt_sha256": hashlib.sha256(sentence.encode()).hexdigest(),
        **({"prompt": sentence} if prompt else {}),
        "watermark": record.get("watermark") or "none",
    }
    assertions = [
        _action("c2pa.created", digitalSourceType=GENERATED),
        {"label": LABEL, "data": own},
    ]
    if record.get("watermark"):
        assertions.append(_soft_binding(record["watermark"]))
    return {"claim_generator_info": [_agent()], "assertions": assertions}


def declared(declaration: Declaration, message: str, opened: bool) -> dict[str, Any]:
    """The statements of a file that another program made, and of which somebody declares how.

    Parameters
    ----------
    message : str
        Of the mark that was put into its pixels; empty if there is none.
    opened : bool
        Whether the file, as it was before, is its ingredient.
    """
    source = SOURCES + ("compositeWithTrainedAlgorithmicMedia" if declaration.edited else MODEL)
    own: dict[str, Any] = {"declared": True, "watermark": message or "none"}
    if declaration.model:
        own["model"] = declaration.model
    if declaration.by:
        own["by"] = declaration.by
    if declaration.prompt:
        own["prompt_sha256"] = hashlib.sha256(declaration.prompt.encode()).hexdigest()
        if declaration.state_prompt:
            own["prompt"] = declaration.prompt
    if opened:
        steps = [
            _action("c2pa.opened", parameters={"ingredientIds": [PARENT]}),
            _action("c2pa.edited", description="stamped", digitalSourceType=source),
        ]
    else:
        steps = [_action("c2pa.created", description="stamped", digitalSourceType=source)]
    both = {"actions": [action for step in steps for action in step["data"]["actions"]]}
    assertions = [{"label": steps[0]["label"], "data": both}, {"label": LABEL, "data": own}]
    if message:
        assertions.append(_soft_binding(message))
    return {"claim_generator_info": [_agent()], "assertions": assertions}


def changed(what: str) -> dict[str, Any]:
    """The statements of a film or picture that was not generated, but changed: of its only
    ingredient.
    """
    opened, edited = (
        _action("c2pa.opened", parameters={"ingredientIds": [PARENT]}),
        _action("c2pa.edited", description=what),
    )
    both = {"actions": opened["data"]["actions"] + edited["data"]["actions"]}
    return {
        "claim_generator_info": [_agent()],
        "assertions": [{"label": opened["label"], "data": both}],
    }


def stated(manifest: Any) -> dict[str, Any]:
    """Fields of `Credentials`, the ``format`` that is stated and the signer's ``serial``, from a
    manifest as C2PA's reader tells it.
    """
    data = {
        str(of(assertion, "label")).split("__")[0]: of(assertion, "data")
        for assertion in listed(of(manifest, "assertions"))
    }
    actions = listed(of(data.get("c2pa.actions.v2") or data.get("c2pa.actions"), "actions"))
    action = next(
        (assertion for assertion in actions if of(assertion, "digitalSourceType")), first(actions)
    )
    own, binding, signed = (
        data.get(LABEL),
        data.get("c2pa.soft-binding"),
        of(manifest, "signature_info"),
    )
    block = first(of(binding, "blocks")) if of(binding, "alg") == ALGORITHM else None
    agents = [of(action, "softwareAgent"), *listed(of(manifest, "claim_generator_info"))]
    agent = next((assertion for assertion in agents if of(assertion, "name")), None)
    texts = {
        "by": of(signed, "common_name") or of(signed, "issuer"),
        "agent": " ".join(str(of(agent, name) or "") for name in ("name", "version")).strip(),
        "source": str(of(action, "digitalSourceType") or "").rpartition("/")[2],
        "model": of(own, "model"),
        "prompt_hash": of(own, "prompt_sha256"),
        "prompt": of(own, "prompt"),
        "declared_by": of(own, "by"),
        "mark": of(block, "value"),
        "made": of(action, "when"),
        "serial": of(signed, "cert_serial_number"),
        "format": of(data.get(FORMAT), "format"),
    }
    ingredients = tuple(map(_ingredient, listed(of(manifest, "ingredients"))))
    return {name: printable(text) for name, text in texts.items()} | {
        "ingredients": ingredients,
        "declared": of(own, "declared") is True,
    }


def _ingredient(statement: Any) -> str:
    """Its name, and whether it was no longer what somebody had signed when it went in."""
    failures = listed(of(of(of(statement, "validation_results"), "activeManifest"), "failure"))
    changed = is_changed(str(of(failure, "code")) for failure in failures)
    return (printable(of(statement, "title")) or "unnamed") + (
        " (tampered with before)" if changed else ""
    )


def of(data: Any, name: str) -> Any:
    return data.get(name) if isinstance(data, dict) else None


def printable(text: Any) -> str:
    """What a file says or is called, as `log.printable`, of `MAX_STATEMENT_CHARS` at most."""
    return log.printable(str(text or ""))[:MAX_STATEMENT_CHARS]


def listed(data: Any) -> list[Any]:
    return data if isinstance(data, list) else []


def first(data: Any) -> Any:
    return next(iter(listed(data)), None)


def _action(name: str, **more: Any) -> dict[str, Any]:
    when = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "label": "c2pa.actions.v2",
        "data": {"actions": [{"action": name, "when": when, "softwareAgent": _agent(), **more}]},
    }


def _soft_binding(message: str) -> dict[str, Any]:
    blocks = [{"scope": {}, "value": message}]
    return {"label": "c2pa.soft-binding", "data": {"alg": ALGORITHM, "blocks": blocks}}


def _agent() -> dict[str, str]:
    return {"name": "Praxino", "version": version("praxino")}
