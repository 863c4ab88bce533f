"""Films that turn to another sentence while they are made."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from praxino.errors import PraxinoError
from praxino.generation.images import GivenImage
from praxino.log import logger
from praxino.references import mentions
from praxino.request import Request

if TYPE_CHECKING:
    from praxino.generation.pipeline import Pipeline


class Turns:
    """Requests for the windows of a film, one after another.

    Parameters
    ----------
    request : Request
        What it begins with.
    turn : callable, optional
        Asked before each window: a sentence that is shown from there on, or "". One that cannot be
        shown is logged, and changes nothing.
    images : sequence of GivenImage, optional
        Pictures that the requests name. Without any, the names of a sentence are looked up in the
        memory of this installation.

    Attributes
    ----------
    first : str
        The sentence that it began with.
    frames : int
        How many there are, as whoever makes them counts.
    prompts : list of (int, str)
        From which frame on which sentence is shown.
    refused : list of (str, str)
        Sentences that could not be shown, and why.
    """

    def __init__(
        self,
        pipeline: "Pipeline",
        request: Request,
        turn: Callable[[], str] | None = None,
        images: Sequence[GivenImage] | None = None,
    ) -> None:
        self.pipeline, self.request, self.turn, self.images = pipeline, request, turn, images
        self.first = request.prompt
        self.prompts, self.frames = [(0, self.first)], 0
        self.refused = list[tuple[str, str]]()

    @property
    def record(self) -> dict[str, Any]:
        """What a film's record says of turns, if there were any: the layout that it began with is
        then not that of the film.
        """
        refused = {"refused": self.refused} if self.refused else {}
        same = self.prompts == [(0, self.first)]
        return refused | ({} if same else {"prompts": self.prompts, "layout": None})

    def __iter__(self) -> Iterator[Request]:
        while True:
            if self.turn is not None and (sentence := self.turn()):
                self._turn(sentence)
            yield self.request

    def _turn(self, sentence: str) -> None:
        named = {name.lower() for name in mentions(sentence)}
        kept = tuple(one for one in self.request.references if one.name.lower() in named)
        settings = self.request.model_dump() | {
            "prompt": sentence,
            "prompt_used": "",
            "layout": None,
            "references": kept or None,
        }
        try:
            if self.images is None:
                self.request = self.pipeline.request(**settings)
            else:
                self.request, _ = self.pipeline.complete(**settings, images=self.images)
        except PraxinoError as error:
            logger.warning("note: not shown: %s", error)
            self.refused.append((sentence, str(error)))
        else:
            if self.prompts[-1][0] == self.frames:  # nothing was shown of the one before
                self.prompts.pop()
            self.prompts.append((self.frames, sentence))
