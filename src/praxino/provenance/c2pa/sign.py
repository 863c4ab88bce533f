"""Signed statements in the file itself, as C2PA lays them out: what made it, by which model, from what.

A film changed by one byte afterwards no longer fits its signature. A film written anew loses the statements; the mark
in its pixels, which they name as their soft binding, remains.
"""

import io
import json
import logging
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal

import c2pa
from PIL import Image

from praxino.config import Config
from praxino.errors import InputError, MediaError
from praxino.provenance.c2pa import identity
from praxino.provenance.c2pa.manifest import (
    FORMAT,
    PARENT,
    SIGNER,
    Ingredient,
    Relation,
    generated,
    listed,
    of,
    shown,
    stated,
)
from praxino.storage.media.video import whole

logger = logging.getLogger("praxino.provenance")

BESIDE: Final = ".c2pa"
"""Ending of the file beside one that cannot hold the statements itself."""
LARGEST: Final = 64 * 2**20
"""Bytes of such a file that are taken on."""
QUIET: Final = {
    "builder": {"thumbnail": {"enabled": False}},
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False, "verify_trust": True},
}
"""Nothing is fetched, and no pictures are put in."""
BYTES: Final = "application/octet-stream"
"""Any file."""
BOX: Final = b"jumdc2pa\x00\x11\x00\x10\x80\x00\x00\xaa\x00\x38\x9b\x71"
"""How the description of a box of statements begins (C2PA specification 2.2, 11.1.4)."""
PICTURE: Final = 2**28
"""Bytes of a picture that are taken on: its parser holds them all."""
REMOTE: Final = "Remote: "
"""How its error begins for a file whose statements are not in it, but at an address."""
USAGES: Final = "1.3.6.1.5.5.7.3.4\n1.3.6.1.5.5.7.3.36\n1.3.6.1.4.1.62558.2.1\n"
"""What certificates of trusted signers may be for: e-mail protection, document signing, C2PA claims."""

Given = Sequence[tuple[Ingredient, Relation, str]]
"""What went in, how, and of which type it is."""
State = Literal["none", "trusted", "valid", "tampered"]


class Credentials(Config):
    """What a file states, and whether that holds.

    Attributes
    ----------
    state : str
        "none"; "trusted" or "valid" if the file is as it was signed, by a signer trusted here or another one;
        "tampered" if it is not.
    own : bool
        Whether this installation signed it.
    by : str
        The signer, as its certificate calls it.
    agent, source, model, prompt_hash, prompt, mark : str
        What made it, how (IPTC digital source type), with which model, from which sentence (SHA-256, or itself if it
        was to be said), and the message of the mark that was put into its pixels; empty where not stated.
    made : str
        When, by the clock of whoever made it.
    ingredients : tuple of str
        What went into it.
    beside : bool
        Whether the statements are in a file beside.
    elsewhere : str
        The address that a file names for its statements; nobody is asked there.
    problems : tuple of str
        What does not hold, in the words of C2PA's status codes.
    """

    state: State = "none"
    own: bool = False
    by: str = ""
    agent: str = ""
    source: str = ""
    model: str = ""
    prompt_hash: str = ""
    prompt: str = ""
    mark: str = ""
    made: str = ""
    ingredients: tuple[str, ...] = ()
    beside: bool = False
    elsewhere: str = ""
    problems: tuple[str, ...] = ()


def sign(
    fresh: Path,
    target: Path,
    statements: dict[str, Any],
    ingredients: Sequence[Ingredient],
    relation: Relation = "inputTo",
) -> Callable[[], None] | None:
    """Put signed statements into a file, or beside ``target`` where its format has no room for them.

    What is returned then writes those, to be called when the file has its name; the old ones are gone until then.

    Parameters
    ----------
    fresh : Path
        The file as it is now, later to be called ``target``.
    statements : dict
        A C2PA manifest definition, as `generated` and `changed` make them.
    ingredients : sequence of Ingredient
        What went into it.
    relation : str
        How they did: "inputTo" what `generated` states, "parentOf" what `changed` does.

    Raises
    ------
    InputError
        If the chosen chain or key cannot sign, or the file beside is about another one.
    MediaError
        If the file cannot be written.
    """
    with fresh.open("rb") as file:
        mime = _mime(file.read(START))
    embedded = mime in c2pa.Builder.get_supported_mime_types()
    if not embedded:
        check_beside(target)
    told = {"label": FORMAT, "data": {"format": mime}}  # so that a file of the same name in another is not meant
    statements = {**statements, "title": shown(target.name), "assertions": [*statements["assertions"], told]}
    manifest = _signed(fresh, mime, statements, [(each, relation, _mime(each.content)) for each in ingredients])
    forget(target)
    return None if embedded else lambda: _put(manifest, target.with_suffix(BESIDE))


def _signed(fresh: Path, mime: str, statements: dict[str, Any], given: Given) -> bytes:
    """The signed statements; where an ingredient, or what it states itself, is damaged, it is so many bytes, and where
    nobody gives a time stamp, there is none.
    """
    own = identity.identity()
    plain = [(each, relation, BYTES) for each, relation, _ in given]
    ways = [(given, own), *([(plain, own)] if given else []), *([(plain, own.unstamped())] if own.time_stamp else [])]
    for which, who in ways:
        try:
            manifest = _manifest(fresh, mime, statements, which, who)
        except c2pa.C2paError as error:
            problem = _line(error)
            continue
        if who.time_stamp != own.time_stamp:
            logger.warning("note: %s gives no time stamp: %s", own.time_stamp, problem)
        return manifest
    raise _cannot_sign(problem)


def _manifest(fresh: Path, mime: str, statements: dict[str, Any], given: Given, who: identity.Identity) -> bytes:
    """The signed statements, which are in the file then, if its format has room; ingredients come with their types."""
    known = c2pa.Builder.get_supported_mime_types()
    with c2pa.Builder(statements, _context()) as builder:
        for each, relation, kind in given:
            name = {"instance_id": PARENT} if relation == "parentOf" else {}
            told = {"title": shown(each.name), "relationship": relation, **name}
            builder.add_ingredient(told, kind if kind in known else BYTES, io.BytesIO(each.content))
        if mime not in known:
            builder.set_no_embed()
        with fresh.open("rb") as source, tempfile.TemporaryFile(dir=fresh.parent) as signed:
            manifest = builder.sign(_signer(who), mime, source, signed)
            if mime in known:
                _copied(signed, fresh)
    return bytes(manifest)


def check() -> None:
    """Raise `InputError` unless the chain and key that are chosen here can sign: before the work, not after it.

    They are tried on a picture of one pixel, without a time stamp: who gives those may be there when they are needed.
    """
    pixel = io.BytesIO()
    Image.new("RGB", (1, 1)).save(pixel, "PNG")
    try:
        with c2pa.Builder(generated({}, prompt=False), _context()) as builder:
            builder.sign(_signer(identity.identity().unstamped()), "image/png", pixel, io.BytesIO())
    except c2pa.C2paError as error:
        raise _cannot_sign(_line(error)) from None


def _cannot_sign(problem: str) -> InputError:
    return InputError(f"cannot sign: {problem}", "see chain, key and algorithm in provenance.toml")


def check_beside(target: Path) -> None:
    """Raise `InputError` if ``target`` needs a file beside it, and there is one about another file."""
    beside = target.with_suffix(BESIDE)
    if needs_beside(target) and beside.exists() and not _about(beside):
        raise InputError(f"{beside} is there, and not about {target.name}", "delete it, or another name with -o")


def forget(target: Path) -> None:
    """Take away the file beside one that is written anew: its statements would no longer hold."""
    beside = target.with_suffix(BESIDE)
    if needs_beside(target) and _about(beside):
        beside.unlink()


def needs_beside(target: Path) -> bool:
    """Whether a file that Praxino writes to such a name has its statements in one beside it."""
    return target.suffix.lower() == ".webm"


def _about(beside: Path) -> bool:
    """Whether a file of statements is about one that we wrote beside it."""
    if not beside.is_file() or beside.stat().st_size > LARGEST:
        return False
    with beside.open("rb") as file:
        return _told("application/c2pa", file, None).get("format") == MAGIC[WEBM]


def _put(manifest: bytes, beside: Path) -> None:
    with whole(beside) as fresh:
        fresh.write_bytes(manifest)


def read(path: Path) -> Credentials:
    """What a file, or one beside it, states.

    Raises
    ------
    MediaError
        If it is a picture of very many bytes.
    OSError
        If it cannot be opened.
    """
    with path.open("rb") as file:
        mime, size = _mime(file.read(START)), path.stat().st_size
        if mime.startswith("image/") and size > PICTURE:
            raise MediaError(f"{path}: {size:,} bytes are too many for a picture", "reduce it first")
        found = _read(mime, file, None, False)
    beside = path.with_suffix(BESIDE)
    if found.state == "none" and beside != path and beside.is_file() and beside.stat().st_size <= LARGEST:
        with path.open("rb") as file:
            near = _read(mime, file, beside.read_bytes(), True)
        return near if near.state != "none" else found
    return found


def _read(mime: str, file: BinaryIO, manifest: bytes | None, beside: bool) -> Credentials:
    """With those trusted who vouch for us, then those trusted here, so that it is known whose the signature is."""
    told: dict[str, Any] = {}
    own = False
    for whose in (identity.made(), identity.chosen(), identity.trusted()):
        if told and not whose.authorities:
            continue
        file.seek(0)
        now = _told(mime, file, manifest, whose.authorities)
        own = whose.own and whose.serial in ("", now.get("serial"))
        if not told or own or not whose.own:
            told = now
        if told.get("state") != "valid":
            break
    if not told or (beside and told.get("format", "") not in (mime, "")):
        return Credentials()
    told = {name: value for name, value in told.items() if name in Credentials.model_fields}
    return Credentials(**told, own=told["state"] == "trusted" and own, beside=beside)


def _told(mime: str, file: BinaryIO, manifest: bytes | None, authorities: bytes = b"") -> dict[str, Any]:
    """Fields of `Credentials`, ``format`` and ``serial``; nothing if there are no statements."""
    context = _context(authorities)
    try:
        with c2pa.Reader(mime, file, manifest, context) as reader:
            state, told = reader.get_validation_state(), json.loads(reader.json())
    except (c2pa.C2paError.ManifestNotFound, c2pa.C2paError.NotSupported):
        return {}
    except (c2pa.C2paError, ValueError) as error:
        if str(error).startswith(REMOTE):
            return {"state": "none", "elsewhere": shown(str(error).rpartition(" ")[2])}
        seen = manifest is not None or _holds_statements(file)  # files are damaged that nobody ever signed, too
        return {"state": "tampered", "problems": (_line(error),)} if seen else {}
    problems = tuple(str(of(status, "code")) for status in listed(of(told, "validation_status")))
    states: dict[str | None, State] = {"Trusted": "trusted", "Valid": "valid"}
    active = of(of(told, "manifests"), str(of(told, "active_manifest")))
    whole = all(problem.startswith(SIGNER) for problem in problems)  # expired, say: the file is still what was signed
    other: State = "valid" if problems and whole else "tampered"
    return {"state": states.get(state, other), "problems": problems, **stated(active)}


def _holds_statements(file: BinaryIO) -> bool:
    """Whether a box of statements begins anywhere in a file."""
    file.seek(0)
    kept = b""
    while chunk := file.read(2**20):
        if BOX in kept + chunk:
            return True
        kept = chunk[-len(BOX) :]
    return False


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def _signer(own: identity.Identity) -> c2pa.Signer:
    stamps = own.time_stamp.encode() if own.time_stamp else None
    info = c2pa.C2paSignerInfo(alg=own.algorithm.encode(), sign_cert=own.chain, private_key=own.key, ta_url=stamps)
    return c2pa.Signer.from_info(info)


def _context(authorities: bytes = b"") -> c2pa.Context:
    try:
        trust = {"trust": {"user_anchors": authorities.decode(), "trust_config": USAGES}} if authorities else {}
        return c2pa.Context(c2pa.Settings.from_dict({**QUIET, **trust}))
    except (UnicodeDecodeError, c2pa.C2paError) as error:
        raise InputError(f"trusted authorities: {_line(error)}", "they are PEM files of certificates") from None


def _copied(signed: BinaryIO, fresh: Path) -> None:
    signed.seek(0)
    with fresh.open("wb") as file:
        while chunk := signed.read(2**20):
            file.write(chunk)


def _mime(start: bytes) -> str:
    """By what a file begins with, never by its name."""
    if start[4:8] == b"ftyp":
        brand = start[8:12]
        pictures = {b"avif": "image/avif", b"heic": "image/heic", b"mif1": "image/heif", b"qt  ": "video/quicktime"}
        return pictures.get(brand, "video/mp4")
    if start[:4] == b"RIFF":
        return {b"WEBP": "image/webp", b"AVI ": "video/avi"}.get(start[8:12], "audio/wav")
    for magic, mime in MAGIC.items():
        if start.startswith(magic):
            return mime
    return BYTES


WEBM: Final = b"\x1aE\xdf\xa3"
MAGIC: Final = {
    b"\x89PNG": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF8": "image/gif",
    WEBM: "video/webm",
    b"II*\0": "image/tiff",
    b"MM\0*": "image/tiff",
}
"""First bytes of formats."""
START: Final = 16
"""How many are looked at."""
