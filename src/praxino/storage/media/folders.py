"""The films and pictures of a folder."""

from collections.abc import Collection
from pathlib import Path

from praxino.errors import InputError
from praxino.log import logger
from praxino.storage.media.formats import HEAD_BYTES, IMAGE_ENDINGS, VIDEO_ENDINGS, recognise


def media_in(folder: Path, pictures: bool, beside: Collection[str] = ()) -> list[Path]:
    """The films in a folder and below, with ``pictures`` these, too, sorted; hidden files are left
    out.

    Files are known by the endings of their names, and by their first bytes where the name has none;
    how many others there are is logged.

    Parameters
    ----------
    beside : collection of str
        Endings of files that are read, too, and not counted.

    Raises
    ------
    InputError
        If there is none.
    """
    endings = VIDEO_ENDINGS | IMAGE_ENDINGS if pictures else VIDEO_ENDINGS
    files = [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]
    media = [
        path
        for path in files
        if (path.suffix.lower() in endings if path.suffix else _is_media(path, pictures))
    ]
    if not media:
        noun = "films or pictures" if pictures else "films"
        others = f" ({len(files)} other files)" if files else ""
        raise InputError(
            f"no {noun} in {folder}{others}", f"names that end in {' '.join(sorted(endings))}"
        )
    if rest := sum(path.suffix.lower() not in beside for path in files) - len(media):
        logger.info("%s: %d other files left alone", folder, rest)
    return media


def _is_media(path: Path, pictures: bool) -> bool:
    try:
        with path.open("rb") as file:
            format_ = recognise(file.read(HEAD_BYTES))
    except OSError:
        return False
    return format_ is not None and (pictures or format_.moving)
