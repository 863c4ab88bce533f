"""What is done to every film before it leaves: marked in its pixels, signed in its file, unless asked otherwise."""

import dataclasses
import logging
from dataclasses import dataclass
from pathlib import Path

from praxino.provenance import keys, payload
from praxino.storage.video import Video

logger = logging.getLogger("praxino.provenance")


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

    def __post_init__(self) -> None:
        if not self.watermark:
            logger.warning("note: no watermark, as asked: the pixels will not say that they were generated")
        if not self.credentials:
            logger.warning("note: no credentials, as asked: the file will not be signed")

    def mark(self, video: Video) -> Video:
        """The film with the mark of its model and this installation; its record says which, or False."""
        if not self.watermark:
            return dataclasses.replace(video, record=video.record | {"watermark": False})
        from praxino.provenance.watermark import mark

        own = keys.mark_keys()["private" if keys.settings().private else "public"]
        said = payload.payload(str(video.record["model"]), str(video.record["digest"]), keys.installation())
        frames = mark(video.frames, said.message, own)
        return dataclasses.replace(video, frames=frames, record=video.record | {"watermark": f"{said.message:012x}"})

    def sign(self, video: Video) -> Video:
        """The film, to be signed whenever it is written; its record says whether."""
        video = dataclasses.replace(video, record=video.record | {"credentials": self.credentials})
        given = [Path(str(video.record[name])) for name in ("image", "last") if video.record.get(name)]

        def seal(fresh: Path, target: Path) -> None:
            from praxino.provenance import credentials

            if not self.credentials:
                credentials.forget(target)
                return
            statements = credentials.generated(video.record, self.credential_prompt)
            credentials.sign(fresh, target, statements, [path for path in given if path.is_file()])

        return dataclasses.replace(video, seal=seal)


def changed(video: Video, source: Path, what: str) -> Video:
    """A film or picture that no model made, to be signed as changed from ``source``; it gets no mark."""

    def seal(fresh: Path, target: Path) -> None:
        from praxino.provenance import credentials

        credentials.sign(fresh, target, credentials.changed(what), [source], "parentOf")

    return dataclasses.replace(video, seal=seal)


STANDARD = Provenance()
"""Marked and signed."""
