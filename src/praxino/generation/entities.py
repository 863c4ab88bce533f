"""Entities that a request calls by name, as each kind of model is told of them: by pictures and a
word of its own, or by a description in the sentence.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from praxino.cards import ModelCard
from praxino.data.pixels import to_tensor
from praxino.generation.conditioning import WHITE
from praxino.generation.denoiser import Conditioning
from praxino.generation.images import GivenImage, whole
from praxino.generation.offload import exact_and_fast
from praxino.generation.spoken import spoken
from praxino.layout import Layout
from praxino.models.pictures import Pictures
from praxino.models.text import ENTITY_NAMES, TextEncoder
from praxino.references import DIGEST, SHOWN_KINDS, Reference, mentions
from praxino.request import Request
from praxino.shapes import token_grid

if TYPE_CHECKING:
    from praxino.generation.films import GivenVideo
    from praxino.generation.pipeline import Pipeline

APPOSITION: Final = re.compile(r"\s*,?\s*(?:the|an?)\s+([^@.;,]+)", re.IGNORECASE)
"""What a name is called, right behind it: "the dog", ", a red puppy"."""
NEAR_WORDS: Final = 3
"""Words beside a name, among which its kind must be."""
NEAR_CHARS: Final = 40
STAND_IN_PIXELS: Final = 512
"""Side of the picture that a Stand-In branch is shown, whatever the film's size."""


def pictured(request: Request, card: ModelCard) -> list[Reference]:
    """The entities whose pictures the model is given, in the order of its slots."""
    able = [one for one in request.references if one.pictures and one.strength > 0]
    if card.reference_frames:
        return able
    return [one for one in able if one.kind in SHOWN_KINDS][: card.slots or int(card.stand_in)]


def stand_in(request: Request, card: ModelCard) -> Reference | None:
    """The entity of which a Stand-In branch is shown a picture."""
    able = [one for one in pictured(request, card) if one.kind in SHOWN_KINDS]
    return able[0] if able and card.stand_in else None


def sentence(request: Request, card: ModelCard) -> str:
    """The request's sentence as the model reads it."""
    slots = [one.name for one in pictured(request, card)] if card.slots else []
    words = [
        ENTITY_NAMES[slots.index(one.name)] if one.name in slots else ""
        for one in request.references
    ]
    return spoken(request.prompt_used or request.prompt, request.references, words)


def named(layout: Layout, request: Request, card: ModelCard) -> Layout:
    """A layout whose things are called as the entities that they are, of those that the model is
    given pictures of.

    What the sentence or a description calls an entity, "@anna the dog" or "a red puppy", says which
    thing it is. A layout in which a thing has a name stays as it is.
    """
    entities = pictured(request, card) if card.slots else []
    if not entities or any(thing.name for thing in layout.things):
        return layout
    free, name_of = dict(enumerate(layout.things)), dict[int, str]()
    for one in entities:
        kind, colours = _words_for(request, one)
        able = [number for number, thing in free.items() if thing.kind == kind]
        if able:
            best = max(able, key=lambda number: free[number].colour in colours)
            name_of[best] = one.name
            del free[best]
    others = [one for one in entities if one.name not in name_of.values()]
    if len(others) == len(free):  # there is one way only
        name_of |= {number: one.name for number, one in zip(free, others, strict=True)}
    things = [
        thing.model_copy(update={"name": name_of.get(number)})
        for number, thing in enumerate(layout.things)
    ]
    return layout.model_copy(update={"things": tuple(things)})


def _words_for(request: Request, one: Reference) -> tuple[str | None, set[str]]:
    """The kind of thing that an entity is called, and its colours: behind its name, or else in its
    description, or before its name.
    """
    from praxino.data.diorama.phrases import COLOUR_WORDS, NOUNS

    name = re.compile(rf"(?<![\w@])@{one.name}(?!\w)", re.IGNORECASE)
    before, *after = name.split(request.prompt_used or request.prompt, maxsplit=1)
    beside = APPOSITION.match(after[0]) if after else None
    texts = (beside[1] if beside else "", one.description, before[-NEAR_CHARS:] if after else "")
    words = [re.findall(r"[a-z]+", text.lower()) for text in texts]
    words[0], words[2] = words[0][:NEAR_WORDS], words[2][::-1][:NEAR_WORDS]
    kind_of = {noun.split()[-1]: kind for kind, nouns in NOUNS.items() for noun in nouns}
    kinds = [kind_of[word] for text in words for word in text if word in kind_of]
    own = {*words[0], *words[1]}
    colours = {colour for colour, names in COLOUR_WORDS.items() if own & set(names)}
    return (kinds[0] if kinds else None), colours


def slots_of(layout: Layout, request: Request, card: ModelCard) -> Tensor:
    """(1, S): the slot of the entity that each thing of a layout is; -1 for one that is none."""
    names = [one.name.lower() for one in pictured(request, card)]
    rows = [(thing.name or "").lower() for thing in layout.things]
    slots = [names.index(name) if name in names else -1 for name in rows]
    return torch.tensor([slots or [-1]])


def notes(request: Request, card: ModelCard) -> list[str]:
    """Notes on entities that the model cannot be told in full."""
    pictures_of = {one.name for one in pictured(request, card)}
    mentioned = {name.lower() for name in mentions(request.prompt)}
    texts = []
    for one in request.references:
        if one.pictures and one.name not in pictures_of and one.strength > 0:
            how = "its description says what it is" if one.description else "it has no description"
            texts.append(f"{card.id} is given no picture of @{one.name}: {how}")
        if one == stand_in(request, card) and len(one.pictures) > 1:
            texts.append(f"Stand-In is shown the first picture of @{one.name}")
        if one.kind in SHOWN_KINDS and one.name.lower() not in mentioned:
            texts.append(f"the sentence does not mention @{one.name}")
    return texts


def frames(request: Request, card: ModelCard, images: Mapping[str, GivenImage]) -> list[GivenImage]:
    """Pictures of entities, in their order, for a model that is given them as frames."""
    if not card.reference_frames:
        return []
    shown_beside = stand_in(request, card)
    return [
        images[name]
        for one in pictured(request, card)
        if one != shown_beside
        for name in one.pictures
    ]


@torch.inference_mode()
def add_pictures(
    pipeline: "Pipeline",
    request: Request,
    images: Mapping[str, GivenImage],
    sentences: Sequence[str],
    conditions: Conditioning,
) -> Conditioning:
    """Conditions with the pictures of the request's entities, for a model with slots.

    Parameters
    ----------
    images : mapping
        The pictures by name.
    sentences : sequence of str
        The sentence as `sentence` says it, and the negative one, which goes without pictures.
    """
    entities = pictured(request, pipeline.card)
    if not entities:
        return conditions
    config = pipeline.model.config
    places = [
        (slot, index, one.strength, whole(images[name].pixels, config.height, config.width))
        for slot, one in enumerate(entities)
        for index, name in enumerate(one.pictures)
    ]
    latents = _encoded(pipeline, [picture for *_, picture in places])
    text, visible = conditions.text, [True, False]
    if request.reference_guidance is not None:
        sentences, text = [*sentences, sentences[1]], torch.cat([text, text[1:]])
        visible.append(True)
    rows = len(visible)
    every = lambda values: torch.tensor([values] * rows)  # noqa: E731
    pictures = Pictures(
        latents[None].expand(rows, *latents.shape),
        every([slot for slot, *_ in places]),
        every([index for _, index, *_ in places]),
        torch.tensor(visible)[:, None].expand(rows, len(places)),
        strength=every([strength for _, _, strength, _ in places]),
    )
    encoder = pipeline.model.vocabulary
    assert isinstance(encoder, TextEncoder)
    names = encoder.name_slots(sentences, text.shape[1]).to(pipeline.device)
    pictures = pictures.to(pipeline.device)
    layout = pipeline.layout(request, pictures)
    return replace(conditions, text=text, pictures=pictures, names=names, layout=layout)


@torch.inference_mode()
def add_stand_in(
    pipeline: "Pipeline",
    request: Request,
    images: Mapping[str, GivenImage],
    conditions: Conditioning,
) -> Conditioning:
    """Conditions with one picture of one entity, for a model with a Stand-In branch.

    The picture goes beside the sentence and beside the negative one, as the branch was trained;
    with a guidance of its own, there is a third evaluation without it.
    """
    one = stand_in(request, pipeline.card_with(request.loras))
    if one is None:
        return conditions
    picture = images[one.pictures[0]].pixels
    latents = _encoded(pipeline, [whole(picture, STAND_IN_PIXELS, STAND_IN_PIXELS, WHITE)])
    text, visible = conditions.text, [True, True]
    if request.reference_guidance is not None:
        text, visible = torch.cat([text, text[1:]]), [True, False, True]
    vae, rows = pipeline.model.vae.config, len(visible)
    latent = request.shape.latent(vae.compression, vae.latent_channels)
    _, height, width = token_grid(latent.size()[2:], pipeline.model.dit.config.patch)
    first = torch.zeros(rows, 1, dtype=torch.long)
    pictures = Pictures(
        latents[None].expand(rows, *latents.shape),
        first,
        first,
        torch.tensor(visible)[:, None],
        strength=one.strength,
        beside=(height, width),
    )
    return replace(conditions, text=text, pictures=pictures.to(pipeline.device))


def _encoded(pipeline: "Pipeline", pictures: Sequence[NDArray[np.uint8]]) -> Tensor:
    """(P, C, h, w): each picture encoded alone."""
    with (
        pipeline.offloader.resident(pipeline.model.vae, torch.float32) as vae,
        exact_and_fast(pipeline.device),
    ):
        frames = np.stack(pictures)[:, None]
        return vae.encode(to_tensor(frames).to(pipeline.device))[:, :, 0]


def digested(request: Request, inputs: "Sequence[GivenImage | GivenVideo]") -> list[dict[str, Any]]:
    """References as a record keeps them: pictures are named by their content."""
    content = {one.name: one.content for one in inputs}

    def name(picture: str) -> str:
        if picture.startswith(DIGEST):
            return picture
        return DIGEST + hashlib.sha256(content.get(picture, b"")).hexdigest()

    return [
        {**one.model_dump(), "pictures": [name(picture) for picture in one.pictures]}
        for one in request.references
    ]
