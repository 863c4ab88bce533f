"""Longer sentences before a film is made: who writes them, what is refused, what is recorded."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

import praxino
from praxino.chat import MODEL_VARIABLE, URL_VARIABLE, ChatEndpoint
from praxino.cli import app as cli
from praxino.errors import EndpointError, InputError
from praxino.generation.caption import parse_answer, recaption
from praxino.provenance.policy import Provenance
from praxino.request import merge

PLAIN = Provenance(watermark=False, credentials=False)


@pytest.fixture(scope="module", name="pipeline")
def _pipeline(tiny_model):
    return praxino.load(tiny_model, device="cpu")


@pytest.fixture(name="answers")
def _answers(monkeypatch):
    """What the language model answers, instead of asking one."""
    answers = []

    def complete(*_, **__):
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setenv(URL_VARIABLE, "http://127.0.0.1:9/v1")
    monkeypatch.setenv(MODEL_VARIABLE, "m")
    monkeypatch.setattr(ChatEndpoint, "complete", complete)
    return answers


def test_off_is_the_default_and_changes_nothing(pipeline):
    request = pipeline.request("a cat")
    assert (request.recaption, request.prompt_used) == ("off", "")


def test_the_grammar_speaks_with_the_requests_seed(pipeline):
    request = pipeline.request("a cat", recaption="grammar", seed=3)
    assert request.prompt == "a cat"
    assert request.prompt_used.startswith("A cat ")
    assert pipeline.request("a cat", recaption="grammar", seed=3) == request
    assert pipeline.request("a cat", recaption="grammar", seed=4).prompt_used != request.prompt_used


def test_a_film_is_made_of_the_longer_sentence(pipeline):
    video = pipeline.generate("a cat", PLAIN, recaption="grammar")
    said = pipeline.generate(video.record["prompt_used"], PLAIN)
    assert np.array_equal(video.frames, said.frames)


def test_a_record_needs_nobody_to_be_asked_again(pipeline, answers):
    answers.append('{"prompt": "A cat in the snow at night."}')
    record = pipeline.generate("a cat", PLAIN, recaption="llm").record
    assert record["prompt_used"] == "A cat in the snow at night."
    settings = {name: record[name] for name in ("recaption", "prompt_used", "seed")}
    again = pipeline.request("a cat", **settings)  # nothing is left to answer
    assert again.prompt_used == record["prompt_used"]


def test_another_sentence_is_completed_anew():
    before = {"prompt": "a cat", "seed": 1, "recaption": "grammar", "prompt_used": "A cat by day."}
    assert merge(before, {"steps": 5})["prompt_used"] == "A cat by day."
    for change in ({"prompt": "a dog"}, {"seed": 2}, {"recaption": "llm"}):
        assert "prompt_used" not in merge(before, change)
    assert merge(before, {"prompt_used": "A cat."})["prompt_used"] == "A cat."


@pytest.mark.parametrize(
    "answer",
    [
        EndpointError("says nothing in 20 seconds"),
        "no JSON",
        "[1]",
        '{"prompt": ""}',
        '{"prompt": 3}',
        '{"prompt": "A cat runs."}',  # without @anna
        '{"prompt": "@anna and @bob run to 3 balls."}',
        '{"prompt": "@anna runs to three balls."}',
        '{"prompt": "@anna runs to 3 balls ' + "x" * 2001 + '"}',
    ],
)
def test_what_a_model_gets_wrong_the_grammar_completes(pipeline, answers, answer):
    answers.append(answer)
    anna = {"name": "anna", "description": "a red dog", "kind": "animal"}
    request, notes = pipeline.complete("@anna runs to 3 balls", recaption="llm", references=[anna])
    assert request.prompt_used.startswith("@anna runs to 3 balls ")
    assert "the language model" in notes[0]
    assert "the grammar completed the sentence" in notes[0]


def test_without_endpoint_or_grammar_the_sentence_stays(pipeline, monkeypatch):
    monkeypatch.delenv(URL_VARIABLE, raising=False)
    request = pipeline.request("a cat").model_copy(update={"recaption": "llm"})
    card = pipeline.card.model_copy(update={"grammar": False})
    sentence, notes = recaption(request, card, "a cat", lambda _: None)
    assert sentence == "a cat"
    assert "PRAXINO_LLM_URL" in notes[0]


def test_answers_are_read_as_models_write_them():
    assert parse_answer('```json\n{"prompt": "A  cat\\nby day."}\n```', "a cat") == "A cat by day."
    assert parse_answer('{"prompt": "@Anna reads \\"no\\"."}', '@anna reads "no"')
    with pytest.raises(EndpointError, match="lost"):
        parse_answer('{"prompt": "@anna reads yes."}', '@anna reads "no"')


def test_who_cannot_speak_is_refused(pipeline, wan_folder):
    with pytest.raises(InputError, match="recaption"):
        pipeline.request("a cat", recaption="poet")
    wan = praxino.load(wan_folder("text"), device="cpu")
    with pytest.raises(InputError, match="it knows nothing of what"):
        wan.request("a cat", recaption="grammar")


def test_the_command_line_shows_the_sentence(tiny_model):
    def run(*words):
        return CliRunner().invoke(cli.app, ["recaption", *words, "--model", str(tiny_model)])

    assert run("a cat").stdout.startswith("A cat ")
    assert '"prompt_used": "A cat' in run("a cat", "--json").stdout


def test_an_answer_that_the_model_cannot_read_is_not_used(pipeline, answers):
    answers.append(json.dumps({"prompt": "a cat " * 60}))
    request, notes = pipeline.complete("a cat", recaption="llm")
    assert len(request.prompt_used.split()) < 100
    assert "known words" in notes[0]
