"""What is done to every film before it leaves: marked in its pixels, signed in its file, unless
asked otherwise.
"""

import dataclasses
import functools
import io
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Literal

from praxino.storage.media.video import Video

logger = logging.getLogger("praxino.provenance")


Relation = Literal["inputTo", "parentOf"]
"""What C2PA calls a file that another was made from, and one that another is a changed copy of."""


@dataclass(frozen=True)
class Ingredient:
    """A file that went into another one, as it was then: its bytes, or where they lie."""

    name: str
    content: bytes | Path = field(repr=False)

    def open(self) -> BinaryIO:
        """The bytes, from the beginning."""
        content = self.content
        return content.open("rb") if isinstance(content, Path) else io.BytesIO(content)


@dataclass(frozen=True)
class Provenance:
    """How a film says what it is.

    Parameters
    ----------
    watermark : bool
        Put an invisible mark into its pixels.
    credentials : bool
        Sign the file when it is written.
    credential_prompt : bool
        State the sentence in what is signed, not only its hash.
    """

    watermark: bool = True
    credentials: bool = True
    credential_prompt: bool = False

    def require_ready(self, *targets: Path) -> None:
        """Raise `InputError` for what would stop `mark` or `sign`, perhaps to write ``targets``:
        before the work.
        """
        if self.watermark:
            from praxino.provenance import keys
            from praxino.provenance.watermark import payload

            keys.settings()
            payload.payload("", "", keys.installation())
        if self.credentials:
            from praxino.provenance.c2pa import sidecar, sign

            sign.require_can_sign()
            for target in targets:
                sidecar.require_own_sidecar(target)

    def mark(self, video: Video) -> Video:
        """The film with the mark of its model and this installation; its record says which, or
        False.
        """
        if not self.watermark:
            return dataclasses.replace(video, record=video.record | {"watermark": False})
        from praxino.provenance import keys
        from praxino.provenance.watermark import issued, payload
        from praxino.provenance.watermark.embed import has_room, mark

        height, width = video.frames.shape[1:3]
        if not has_room(height, width):
            logger.warning("note: no watermark: %dx%d has no room for one", width, height)
            return dataclasses.replace(video, record=video.record | {"watermark": False})
        own = keys.own_mark_key()
        marked = payload.payload(
            str(video.record["model"]), str(video.record["digest"]), keys.installation()
        )
        issued.record_issued(marked.message)
        frames = mark(video.frames, marked.message, own)
        return dataclasses.replace(
            video, frames=frames, record=video.record | {"watermark": f"{marked.message:012x}"}
        )

    def sign(self, video: Video, ingredients: Sequence[Ingredient] = ()) -> Video:
        """The film, to be signed whenever it is written; its record says whether. What was opted
        out of is logged.

        Parameters
        ----------
        ingredients : sequence of Ingredient
            Files that the film was made from: the pictures that it begins and ends with.
        """
        if not self.watermark:
            logger.warning(
                "note: no watermark, as asked: the pixels will not say that they were generated"
            )
        from praxino.provenance.c2pa import manifest

        stated = functools.partial(manifest.generated, prompt=self.credential_prompt)
        return self._finished(video, stated, ingredients, "inputTo")

    def changed(self, video: Video, source: Path, what: str) -> Video:
        """A film or picture that no model made, to be signed as changed from ``source``; it gets no
        mark.
        """
        from praxino.provenance.c2pa import manifest

        ingredients = [Ingredient(source.name, source.read_bytes())] if self.credentials else []
        return self._finished(video, lambda _: manifest.changed(what), ingredients, "parentOf")

    def _finished(
        self,
        video: Video,
        stated: Callable[[dict[str, Any]], dict[str, Any]],
        ingredients: Sequence[Ingredient],
        relation: Relation,
    ) -> Video:
        from praxino.provenance.c2pa import sidecar, sign

        if not self.credentials:
            logger.warning("note: no credentials, as asked: the file will not be signed")
        record = video.record | {"credentials": self.credentials}

        def finish(fresh: Path, target: Path) -> Callable[[], None] | None:
            if self.credentials:
                return sign.sign(fresh, target, stated(record), ingredients, relation)
            sidecar.delete_outdated(target)
            return None

        return dataclasses.replace(video, record=record, seal=finish)


STANDARD = Provenance()
"""Marked and signed."""
