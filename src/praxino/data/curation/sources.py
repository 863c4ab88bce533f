"""What there is to curate: the films of a folder or of shards, or what a published list says of
films that lie in a folder.

Nobody's films are fetched: a list is joined with local footage by the names of its videos.
"""

import ast
import csv
import io
import json
import math
import tarfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any, Final

from praxino.errors import InputError
from praxino.log import logger
from praxino.storage.media.folders import media_in
from praxino.storage.media.formats import VIDEO_ENDINGS

VIDEO_COLUMNS: Final = ("file_name", "video_path", "path", "video", "videoid", "videoID", "name")
"""Columns in which people name a film's file, the first that is there."""
TEXT_COLUMNS: Final = ("caption", "text", "prompt", "cap", "name")
"""Columns in which they say what it shows."""
METADATA: Final = (
    "metadata.csv",
    "metadata.jsonl",
    "videos2caption.json",
    "captions.json",
)
"""Files in a folder that say what its films show."""
MAX_TEXT_BYTES: Final = 2**20
"""Texts in shards are read so far."""
MAX_CAPTION_CHARS: Final = 20_000
csv.field_size_limit(2**27)  # cells of Panda-70M hold all clips of a video


@dataclass(frozen=True)
class Span:
    """A stretch that a list names.

    Attributes
    ----------
    start, end : float
        Seconds; ``end`` is infinite for a whole film.
    """

    start: float = 0.0
    end: float = math.inf
    caption: str = ""


@dataclass(frozen=True)
class Source:
    """One film.

    Attributes
    ----------
    name : str
        Its path below the footage, with / between the parts: what rows call it.
    path : Path
        The file; of a film in a shard, the shard.
    member : (int, int), optional
        Offset and size in bytes of a film in a shard.
    spans : tuple of Span
        What is wanted of it; a film of a folder is wanted whole.
    """

    name: str
    path: Path
    member: tuple[int, int] | None = None
    spans: tuple[Span, ...] = (Span(),)


@dataclass
class Sources:
    """Films, and what was wrong with others.

    Attributes
    ----------
    problems : Counter
        What is missing or wrong, and how often.
    licence : str
        What a list says of its use.
    """

    films: list[Source] = field(default_factory=list)
    problems: Counter[str] = field(default_factory=Counter)
    licence: str = ""


def find_sources(target: Path, footage: Path | None = None) -> Sources:
    """The films of a folder, of .tar shards, or of a list (.csv, .jsonl) whose videos lie in the
    folder ``footage``.

    Raises
    ------
    InputError
        If there is none, or the list is of no kind that is known.
    """
    if target.suffix.lower() in (".csv", ".jsonl", ".json") and target.is_file():
        return _of_list(target, footage or target.parent)
    if target.suffix.lower() == ".tar" and target.is_file():
        return _of_shards([target], target.parent)
    if not target.is_dir():
        raise InputError(f"{target} is no folder", "a folder of films, shards, or a list")
    shards = sorted(target.glob("*.tar"))
    if shards:
        result = _of_shards(shards, target)
        beside = sum(path.suffix.lower() in VIDEO_ENDINGS for path in target.iterdir())
        result.problems.update({"films beside shards": beside} if beside else {})
        return result
    return _of_folder(target)


def _of_folder(folder: Path) -> Sources:
    result = Sources()
    texts = _captions_in(folder, result.problems)
    datasets = {path.parent for path in folder.rglob("decision.jsonl")}  # of our own
    unused = set(texts)
    for path in media_in(folder, pictures=False, beside=(".txt", ".csv", ".jsonl", ".json")):
        if datasets.intersection(path.parents):
            continue
        name = path.relative_to(folder).as_posix()
        unused -= {name, path.name}
        caption = texts.get(name) or texts.get(path.name, "")
        beside = path.with_suffix(".txt")
        if not caption and beside.is_file():
            caption = _text(beside, result.problems)
        result.films.append(Source(name, path, spans=(Span(caption=caption),)))
    if not result.films:
        raise InputError(f"{folder} holds a dataset, and no other films", "a folder of footage")
    result.problems.update({"rows of lists without a film": len(unused)} if unused else {})
    return result


def _text(path: Path, problems: Counter[str]) -> str:
    try:
        with path.open(encoding="utf-8", errors="strict") as file:
            return " ".join(file.read(MAX_CAPTION_CHARS).split())
    except (OSError, UnicodeDecodeError):
        problems["captions that are no UTF-8"] += 1
        return ""


def _captions_in(folder: Path, problems: Counter[str]) -> dict[str, str]:
    """What the folder's own lists say, by the names of files."""
    texts: dict[str, str] = {}
    for name in METADATA:
        path = folder / name
        if path.is_file():
            for row in read_rows(path, problems):
                video, text = _first(row, VIDEO_COLUMNS), _first(row, TEXT_COLUMNS)
                if video and text:
                    texts[PurePath(str(video)).as_posix()] = " ".join(str(text).split())
    return texts


def _of_shards(shards: Sequence[Path], folder: Path) -> Sources:
    """Films of webdataset shards: ``KEY.mp4`` beside ``KEY.txt`` or ``KEY.json``."""
    result = Sources()
    for shard in shards:
        films: dict[str, tuple[str, tuple[int, int]]] = {}
        texts: dict[str, str] = {}
        try:
            with tarfile.open(shard, "r:") as tar:  # packed ones have no offsets
                for member in tar:
                    folder_, _, base = member.name.rpartition("/")
                    stem, _, ending = base.partition(".")
                    key = f"{folder_}/{stem}"
                    if not member.isfile():
                        continue
                    if f".{ending.lower()}" in VIDEO_ENDINGS:
                        if key in films:
                            result.problems["films of a shard under one key"] += 1
                        films[key] = member.name, (member.offset_data, member.size)
                    elif ending in ("txt", "json"):
                        file = tar.extractfile(member)
                        content = file.read(MAX_TEXT_BYTES) if file else b""
                        texts[key] = _caption_in(content, ending, texts.get(key, ""))
                    else:
                        result.problems["members of shards that are no films or texts"] += 1
        except (tarfile.TarError, OSError, EOFError) as error:
            logger.warning("%s: %s", shard, error)
            result.problems["shards that cannot be read to their end"] += 1
        place = shard.relative_to(folder).as_posix()
        for key, (name, member_) in films.items():
            spans = (Span(caption=texts.get(key, "")),)
            result.films.append(Source(f"{place}/{name}", shard, member_, spans))
    if not result.films:
        raise InputError(f"no films in {', '.join(map(str, shards[:3]))}", "KEY.mp4, KEY.txt")
    return result


def _caption_in(content: bytes, ending: str, before: str) -> str:
    """A caption in a shard; that of a .txt goes before that in a .json."""
    text = content.decode("utf-8", errors="replace")
    if ending == "txt":
        return " ".join(text.split())
    try:
        tree = json.loads(text)
    except ValueError:
        return before
    return before or (str(_first(tree, TEXT_COLUMNS) or "") if isinstance(tree, dict) else "")


def read_rows(path: Path, problems: Counter[str]) -> Iterator[dict[str, Any]]:
    """Rows of a list: .csv with a header, .jsonl, or .json that holds a list, or texts by names.

    Raises
    ------
    InputError
        If it cannot be read as such at all.
    """
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            if path.suffix.lower() == ".csv":
                yield from (
                    {key: value for key, value in row.items() if key is not None}
                    for row in csv.DictReader(_without_nul(file))
                )
            elif path.suffix.lower() == ".jsonl":
                yield from _json_lines(file, problems)
            else:
                tree = json.load(file)
                if isinstance(tree, dict):
                    tree = [{"path": key, "caption": value} for key, value in tree.items()]
                yield from (row for row in tree if isinstance(row, dict))
    except (OSError, ValueError, csv.Error, TypeError) as error:
        raise InputError(f"cannot read {path}: {error}", "is it the list as published?") from None


def _without_nul(lines: io.TextIOBase) -> Iterator[str]:
    return (line.replace("\0", "") for line in lines)


def _json_lines(lines: Iterator[str] | io.TextIOBase, problems: Counter[str]) -> Iterator[Any]:
    for line in lines:
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError:
            problems["lines that are no JSON"] += 1
            continue
        if isinstance(row, dict):
            yield row


def _first(row: Mapping[str, Any], columns: Sequence[str]) -> Any:
    return next((row[name] for name in columns if row.get(name)), None)


def parse_seconds(text: object) -> float:
    """Seconds of a number or of [[H:]M:]S[.mmm]; raises `ValueError` for anything else."""
    if isinstance(text, int | float) and not isinstance(text, bool):
        seconds = float(text)
    else:
        seconds = 0.0
        for part in str(text).strip().split(":"):
            seconds = 60 * seconds + float(part)
    if not 0 <= seconds < 1e7:
        raise ValueError(f"{text!r} is no time")
    return seconds


Reading = Callable[[Mapping[str, Any]], tuple[str, list[Span]]]
"""A row becomes the name of its video and the spans that are wanted of it."""


def _panda(row: Mapping[str, Any]) -> tuple[str, list[Span]]:
    times = ast.literal_eval(str(row["timestamp"]))
    texts = ast.literal_eval(str(row["caption"]))
    if not (isinstance(times, list) and isinstance(texts, list) and len(times) == len(texts)):
        raise ValueError("spans and captions are not as many")
    return str(row["videoID"]), [
        Span(parse_seconds(start), parse_seconds(end), str(text))
        for (start, end), text in zip(times, texts, strict=True)
    ]


def _koala(row: Mapping[str, Any]) -> tuple[str, list[Span]]:
    start, end = ast.literal_eval(str(row["timestamp"]))
    video = str(row["videoID"]).rpartition("_")[0] or str(row["videoID"])
    return video, [Span(parse_seconds(start), parse_seconds(end), str(row["caption"]))]


def _hd_vila(row: Mapping[str, Any]) -> tuple[str, list[Span]]:
    spans = [[parse_seconds(time) for time in clip["span"]] for clip in row["clip"]]
    return str(row["video_id"]), [Span(start, end) for start, end in spans]


def _intern_vid(row: Mapping[str, Any]) -> tuple[str, list[Span]]:
    start, end = (parse_seconds(row[f"{side}_timestamp"]) for side in ("Start", "End"))
    return str(row["YoutubeID"]), [Span(start, end, str(row.get("Caption") or ""))]


def _open_vid(row: Mapping[str, Any]) -> tuple[str, list[Span]]:
    return str(row["video"]), [Span(caption=str(row["caption"] or ""))]


def _web_vid(row: Mapping[str, Any]) -> tuple[str, list[Span]]:
    return f"{row['page_dir']}/{row['videoid']}", [Span(caption=str(row["name"] or ""))]


def _plain(row: Mapping[str, Any]) -> tuple[str, list[Span]]:
    video = _first(row, VIDEO_COLUMNS)
    if not video:
        raise KeyError(VIDEO_COLUMNS[0])
    return str(video), [Span(caption=str(_first(row, TEXT_COLUMNS) or ""))]


@dataclass(frozen=True)
class ListFormat:
    """A published list: columns that it has, how a row is read, and what it may be used for."""

    name: str
    columns: tuple[str, ...]
    read: Reading
    licence: str = ""


FORMATS: Final = (
    ListFormat("Koala-36M", ("videoID", "timestamp", "clarity_score"), _koala,
               "research alone; the films are their uploaders'"),
    ListFormat("Panda-70M", ("videoID", "timestamp", "caption"), _panda,
               "research alone; the films are their uploaders'"),
    ListFormat("HD-VILA-100M", ("video_id", "clip"), _hd_vila,
               "research alone; the films are their uploaders'"),
    ListFormat("InternVid", ("YoutubeID", "Start_timestamp", "End_timestamp"), _intern_vid,
               "CC BY-NC-SA 4.0 of the list; the films are their uploaders'"),
    ListFormat("WebVid", ("videoid", "page_dir", "name"), _web_vid,
               "withdrawn in 2024: its films are under licence elsewhere"),
    ListFormat("OpenVid-1M", ("video", "caption", "aesthetic score"), _open_vid,
               "CC BY 4.0 of the list; the films are their uploaders'"),
    ListFormat("OpenVid-1M", ("video", "caption", "aesthetic_score"), _open_vid,
               "CC BY 4.0 of the list; the films are their uploaders'"),
    ListFormat("a list", (), _plain),
)  # fmt: skip
"""Lists that are known by their columns, the first that fits."""


def _of_list(path: Path, footage: Path) -> Sources:
    if not footage.is_dir():
        raise InputError(f"{footage} is no folder", "--footage FOLDER, in which the videos lie")
    result, spans = Sources(), dict[str, list[Span]]()
    format_: ListFormat | None = None
    for row in read_rows(path, result.problems):
        if format_ is None:
            format_ = next(one for one in FORMATS if set(one.columns) <= row.keys())
            result.licence = format_.licence
        try:
            video, listed = format_.read(row)
        except (KeyError, ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            result.problems[f"rows that are not as {format_.name} has them"] += 1
            continue
        good = [span for span in listed if span.end > span.start]
        if len(good) < len(listed):
            result.problems["spans that end before they begin"] += len(listed) - len(good)
        mine = spans.setdefault(video, [])
        fresh = [span for span in good if span not in mine]
        result.problems["rows that are there twice"] += len(good) - len(fresh)
        mine.extend(fresh)
    files = _by_name(footage)
    for video, own in spans.items():
        film = files.get(video) or files.get(PurePath(video).with_suffix("").as_posix())
        if film is None:
            result.problems["videos that are not in the footage"] += 1
        else:
            name = film.relative_to(footage).as_posix()
            result.films.append(Source(name, film, spans=tuple(own)))
    result.problems = +result.problems
    if not result.films:
        raise InputError(
            f"{path}: none of its {len(spans)} videos lies in {footage}",
            "files are called as the list calls their videos: ID.mp4",
        )
    return result


def _by_name(footage: Path) -> dict[str, Path]:
    """Films by path and by name, with and without their endings."""
    files: dict[str, Path] = {}
    for path in media_in(footage, pictures=False):
        below = path.relative_to(footage)
        for name in (below.as_posix(), below.with_suffix("").as_posix(), path.name, path.stem):
            files.setdefault(name, path)
    return files
