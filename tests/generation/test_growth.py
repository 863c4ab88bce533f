"""A memory grows by crops that are verified, and by nothing else."""

import numpy as np
import pytest

from praxino.data.diorama import render
from praxino.errors import InputError, PraxinoError
from praxino.evaluation import identity
from praxino.generation import growth
from praxino.generation.growth import Candidate, Verifier
from praxino.generation.memory import MAX_PICTURES, Memory
from praxino.references import Reference
from praxino.storage.objects import Objects
from support.footage import textured


def png(picture):
    import io

    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="module", name="cases")
def _cases():
    return identity.identity_cases(12, 17, 1.0, 8.0)


@pytest.fixture(scope="module", name="verifier")
def _verifier():
    return Verifier()


@pytest.fixture(name="memory")
def _memory(tmp_path):
    return Memory(Objects(str(tmp_path)))


def candidates(verifier, memory, case, film, kind="animal"):
    entity = memory.add("rex", [png(one) for one in case.pictures], kind, consent=True)
    return verifier.candidates(film, entity, memory)


def test_a_film_of_it_has_a_crop_and_films_of_others_have_fewer(verifier, cases, tmp_path):
    own, others = 0, 0
    for number, case in enumerate(cases):
        memory = Memory(Objects(str(tmp_path / str(number))))
        own += len(candidates(verifier, memory, case, render(case.scene, 64, 64)))
        stranger = render(cases[number - 1].scene, 64, 64)
        others += len(candidates(verifier, memory, case, stranger))
    assert own > others
    assert own >= 1


def test_nothing_of_what_cannot_be_verified(verifier, memory, cases):
    film = render(cases[0].scene, 64, 64)
    words = memory.add("bob", description="a dog", kind="animal")
    assert verifier.candidates(film, words, memory) == []
    place = memory.add("home", [png(cases[0].pictures[0])], "place")
    assert verifier.candidates(film, place, memory) == []
    gray = np.full_like(film, 128)
    assert candidates(verifier, memory, cases[0], gray) == []


def test_generated_pictures_make_room_and_given_ones_never(memory):
    pictures = textured(8, 64, 64)
    entity = memory.add("rex", [png(pictures[0])], "animal")
    for number in range(1, 6):
        entity = memory.add_generated("rex", png(pictures[number]), f"film {number}")
    assert [one.origin for one in entity.pictures] == ["given", "film 3", "film 4", "film 5"]
    assert len([one for one in entity.pictures if not one.generated]) == 1
    files = list(memory.objects.folders("memory/own"))
    assert files == ["rex"]


def test_growing_says_what_it_kept(memory, cases, monkeypatch):
    memory.add("rex", [png(cases[0].pictures[0])], "animal")
    found = Candidate(textured(1, 64, 64)[0], 4, 0.87)
    monkeypatch.setattr(Verifier, "candidates", lambda *_: [found])
    rex = Reference(name="rex", kind="animal", pictures=("sha256:" + "0" * 64,))
    film = np.zeros((17, 64, 64, 3), np.uint8)
    notes = growth.grow(memory, [rex], film, "a.mp4")
    assert notes == ["@rex has one more picture, of frame 4 (likeness 0.87)"]
    assert memory.find("rex").pictures[-1].origin == "a.mp4, frame 4"
    stranger = Reference(name="bob", description="a cat")
    assert growth.grow(memory, [stranger], film, "a.mp4") == []


def test_what_is_asked_waits_for_an_answer(memory, cases, monkeypatch):
    given = png(cases[0].pictures[0])
    memory.add("rex", [given], "animal")
    found = Candidate(textured(1, 64, 64)[0], 4, 0.87)
    monkeypatch.setattr(Verifier, "candidates", lambda *_: [found])
    rex = Reference(name="rex", kind="animal", pictures=("sha256:" + "0" * 64,))
    film = np.zeros((17, 64, 64, 3), np.uint8)
    for _ in range(2):
        assert growth.grow(memory, [rex], film, "a.mp4", ask=True) == []
    entity = memory.find("rex")
    (proposal,) = entity.proposals
    assert (proposal.origin, proposal.likeness) == ("a.mp4, frame 4", 0.87)
    assert proposal.digest not in memory.chosen_pictures(entity)
    assert memory.image(proposal.digest) is not None
    kept = memory.answer("rex", proposal.digest, accept=True)
    assert (kept.proposals, kept.pictures[-1].digest) == ((), proposal.digest)
    with pytest.raises(InputError, match="no such proposal"):
        memory.answer("rex", proposal.digest, accept=True)


def test_what_is_refused_is_deleted_and_old_proposals_make_room(memory):
    memory.add("rex", [png(textured(1, 64, 64)[0])], "animal")
    views = [png(one) for one in textured(9, 64, 64)[1:]]
    for number, view in enumerate(views[:6]):
        memory.propose("rex", view, f"film {number}", 0.8)
    entity = memory.find("rex")
    assert [one.origin for one in entity.proposals] == [f"film {n}" for n in range(2, 6)]
    refused = entity.proposals[0].digest
    assert len(memory.answer("REX", refused, accept=False).proposals) == 3
    assert memory.image(refused) is None
    for one in memory.find("rex").proposals:
        memory.answer("rex", one.digest, accept=True)
    origins = [one.origin for one in memory.find("rex").pictures]
    assert origins == ["given", "film 3", "film 4", "film 5"]
    for view in views[6:]:
        memory.add_generated("rex", view, "later")
    assert [one.origin for one in memory.find("rex").pictures] == [
        "given",
        "film 5",
        *["later"] * 2,
    ]


def test_a_full_memory_takes_no_more_and_stays_readable(memory):
    given = [png(one) for one in textured(MAX_PICTURES, 64, 64)]
    memory.add("rex", given, "animal")
    memory.propose("rex", png(textured(1, 64, 64, seed=7)[0]), "film", 0.9)
    (proposal,) = memory.find("rex").proposals
    with pytest.raises(InputError, match="no room"):
        memory.answer("rex", proposal.digest, accept=True)
    assert len(memory.find("rex").pictures) == MAX_PICTURES
    assert memory.answer("rex", proposal.digest, accept=False).proposals == ()


def test_what_is_forgotten_meanwhile_stays_forgotten(memory, monkeypatch):
    memory.add("rex", [png(textured(1, 64, 64)[0])], "animal")
    write = memory.objects.write

    def forget(name, content):
        memory.remove("rex")
        write(name, content)

    monkeypatch.setattr(memory.objects, "write", forget)
    with pytest.raises(PraxinoError):
        memory.propose("rex", png(textured(1, 64, 64, seed=7)[0]), "film", 0.9)
    assert memory.entities() == []


def test_a_proposal_and_a_change_at_the_same_time_both_count(memory, monkeypatch):
    memory.add("rex", [png(textured(1, 64, 64)[0])], "animal")
    write = memory.objects.write

    def write_and_change(name, content):
        write(name, content)
        monkeypatch.setattr(memory.objects, "write", write)
        memory.add("rex", description="a dog with a belt")

    monkeypatch.setattr(memory.objects, "write", write_and_change)
    memory.propose("rex", png(textured(1, 64, 64, seed=7)[0]), "film", 0.9)
    entity = memory.find("rex")
    assert (len(entity.proposals), entity.description) == (1, "a dog with a belt")


def test_a_full_memory_is_said_and_nothing_else_happens(memory, cases, monkeypatch):
    memory.add("rex", [png(one) for one in textured(MAX_PICTURES, 64, 64)], "animal")
    found = [Candidate(one, 4, 0.87) for one in textured(2, 64, 64, seed=7)]
    monkeypatch.setattr(Verifier, "candidates", lambda *_: found)
    rex = Reference(name="rex", kind="animal", pictures=("sha256:" + "0" * 64,))
    notes = growth.grow(memory, [rex], np.zeros((17, 64, 64, 3), np.uint8), "a.mp4")
    assert len(notes) == 1
    assert "no room" in notes[0]
