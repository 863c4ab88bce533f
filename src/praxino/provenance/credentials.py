"""Signed statements in the file itself, as C2PA lays them out: what made it, by which model, from what.

A film changed by one byte afterwards no longer fits its signature. A film written anew loses the statements; the mark
in its pixels, which they name as their soft binding, remains.
"""

import hashlib
import json
import tempfile
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal

import c2pa

from praxino.config import Config
from praxino.errors import InputError
from praxino.provenance import signer
from praxino.storage.video import whole

ALGORITHM: Final = "org.praxino.mark.1"
"""The soft binding: the mark in the pixels."""
LABEL: Final = "org.praxino.generation"
"""The assertion that is our own: the model, and the sentence's hash."""
FORMAT: Final = "org.praxino.file"
"""The assertion that says of what format the file is."""
PARENT: Final = "xmp:iid:parent"
"""How the file that was changed is called within the statements."""
SIGNER: Final = ("signingCredential.", "timeStamp.")
"""How status codes begin that are about who signed and when, not about what."""
SOURCES: Final = "http://cv.iptc.org/newscodes/digitalsourcetype/"
"""How the IPTC calls ways in which media come about."""
GENERATED: Final = SOURCES + "trainedAlgorithmicMedia"
BESIDE: Final = ".c2pa"
"""Ending of the file beside one that cannot hold the statements itself."""
LARGEST: Final = 64 * 2**20
"""Bytes of such a file that are taken on."""
LONGEST: Final = 2000
"""Characters of what is stated that are told: those of a sentence."""
QUIET: Final = {
    "builder": {"thumbnail": {"enabled": False}},
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False, "verify_trust": True},
}
"""Nothing is fetched, and no pictures are put in."""
USAGES: Final = "1.3.6.1.5.5.7.3.4\n1.3.6.1.5.5.7.3.36\n1.3.6.1.4.1.62558.2.1\n"
"""What certificates of trusted signers may be for: e-mail protection, document signing, C2PA claims."""

Relation = Literal["inputTo", "parentOf"]
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
    problems: tuple[str, ...] = ()


def sign(
    fresh: Path,
    target: Path,
    statements: dict[str, Any],
    ingredients: list[Path],
    relation: Relation = "inputTo",
) -> None:
    """Put signed statements into a file, or beside ``target`` where its format has no room for them.

    Parameters
    ----------
    fresh : Path
        The file as it is now, later to be called ``target``.
    statements : dict
        A C2PA manifest definition, as `generated` and `changed` make them.
    ingredients : list of Path
        Files that went into it.
    relation : str
        How they did: "inputTo" what `generated` states, "parentOf" what `changed` does.

    Raises
    ------
    InputError
        If the chosen chain or key cannot sign.
    MediaError
        If the file cannot be written.
    """
    mime = _mime(fresh)
    embedded = mime in c2pa.Builder.get_supported_mime_types()
    told = {"label": FORMAT, "data": {"format": mime}}  # so that a file of the same name in another is not meant
    statements = {**statements, "title": target.name, "assertions": [*statements["assertions"], told]}
    try:
        with c2pa.Builder(statements, _context(b"")) as builder:
            for path in ingredients:
                _add(builder, path, relation)
            if not embedded:
                builder.set_no_embed()
            with fresh.open("rb") as source, tempfile.TemporaryFile(dir=fresh.parent) as signed:
                manifest = builder.sign(_signer(), mime, source, signed)
                if embedded:
                    _copied(signed, fresh)
        if not embedded:
            with whole(target.with_suffix(BESIDE)) as beside:
                beside.write_bytes(manifest)
    except c2pa.C2paError as error:
        raise InputError(
            f"cannot sign {target}: {error}", "see [chain] in provenance.toml, or --no-credentials"
        ) from None


def forget(target: Path) -> None:
    """Take away the file beside one that is written anew: its statements would no longer hold."""
    if target.suffix.lower() == ".webm":
        target.with_suffix(BESIDE).unlink(missing_ok=True)


def generated(record: dict[str, Any], prompt: bool) -> dict[str, Any]:
    """The statements of a film with this record (`Pipeline.record`); ``prompt``: its sentence, too."""
    sentence = str(record.get("prompt", ""))
    own = {
        "model": record.get("model", ""),
        "model_hash": record.get("digest", ""),
        "prompt_sha256": hashlib.sha256(sentence.encode()).hexdigest(),
        **({"prompt": sentence} if prompt else {}),
        "watermark": record.get("watermark") or "left out, as asked",
    }
    assertions = [_action("c2pa.created", digitalSourceType=GENERATED), {"label": LABEL, "data": own}]
    if record.get("watermark"):
        blocks = [{"scope": {}, "value": record["watermark"]}]
        assertions.append({"label": "c2pa.soft-binding", "data": {"alg": ALGORITHM, "blocks": blocks}})
    return {"claim_generator_info": [_agent()], "assertions": assertions}


def changed(what: str) -> dict[str, Any]:
    """The statements of a film or picture that was not generated, but changed: of its only ingredient."""
    opened, edited = (
        _action("c2pa.opened", parameters={"ingredientIds": [PARENT]}),
        _action("c2pa.edited", description=what),
    )
    both = {"actions": opened["data"]["actions"] + edited["data"]["actions"]}
    return {"claim_generator_info": [_agent()], "assertions": [{"label": opened["label"], "data": both}]}


def read(path: Path) -> Credentials:
    """What a file, or one beside it, states.

    Raises
    ------
    MediaError
        If it cannot be opened.
    """
    mime = _mime(path)
    with path.open("rb") as file:
        found = _read(mime, file, None, False)
    beside = path.with_suffix(BESIDE)
    if found.state == "none" and beside != path and beside.is_file() and beside.stat().st_size <= LARGEST:
        with path.open("rb") as file:
            found = _read(mime, file, beside.read_bytes(), True)
    return found


def _read(mime: str, file: BinaryIO, manifest: bytes | None, beside: bool) -> Credentials:
    """With our own authorities, then with those trusted here, so that it is known which ones vouch."""
    told: dict[str, Any] = {}
    anchors = {"own": signer.authorities(), "trusted": signer.trusted()}
    for whose, authorities in anchors.items():
        if whose == "own" or authorities:
            file.seek(0)
            told = _told(mime, file, manifest, authorities)
            if told.get("state") != "valid":
                break
    if not told or (beside and told.get("format", "") not in (mime, "")):
        return Credentials()
    told.pop("format", None)
    return Credentials(**told, own=told["state"] == "trusted" and whose == "own", beside=beside)


def _told(mime: str, file: BinaryIO, manifest: bytes | None, authorities: bytes) -> dict[str, Any]:
    """Fields of `Credentials`, and ``format``; nothing if there are no statements."""
    context = _context(authorities)
    try:
        with c2pa.Reader(mime, file, manifest, context) as reader:
            state, told = reader.get_validation_state(), json.loads(reader.json())
    except (c2pa.C2paError.ManifestNotFound, c2pa.C2paError.NotSupported):
        return {}
    except (c2pa.C2paError, ValueError) as error:
        return {"state": "tampered", "problems": (_line(error),)}
    problems = tuple(str(_of(status, "code")) for status in _list(_of(told, "validation_status")))
    states: dict[str | None, State] = {"Trusted": "trusted", "Valid": "valid"}
    active = _of(_of(told, "manifests"), str(_of(told, "active_manifest")))
    whole = all(problem.startswith(SIGNER) for problem in problems)  # expired, say: the file is still what was signed
    other: State = "valid" if problems and whole else "tampered"
    return {"state": states.get(state, other), "problems": problems, **_stated(active)}


def _stated(manifest: Any) -> dict[str, Any]:
    """Fields of `Credentials` from a manifest as C2PA's reader tells it; whatever is odd in it is left out."""
    data = {str(_of(each, "label")).split("__")[0]: _of(each, "data") for each in _list(_of(manifest, "assertions"))}
    first = _first(_of(data.get("c2pa.actions.v2") or data.get("c2pa.actions"), "actions"))
    own, binding, signed = data.get(LABEL), data.get("c2pa.soft-binding"), _of(manifest, "signature_info")
    block = _first(_of(binding, "blocks")) if _of(binding, "alg") == ALGORITHM else None
    agents = [_of(first, "softwareAgent"), *_list(_of(manifest, "claim_generator_info"))]
    agent = next((each for each in agents if _of(each, "name")), None)
    texts = {
        "by": _of(signed, "common_name") or _of(signed, "issuer"),
        "agent": " ".join(str(_of(agent, name) or "") for name in ("name", "version")).strip(),
        "source": str(_of(first, "digitalSourceType") or "").rpartition("/")[2],
        "model": _of(own, "model"),
        "prompt_hash": _of(own, "prompt_sha256"),
        "prompt": _of(own, "prompt"),
        "mark": _of(block, "value"),
        "made": _of(first, "when"),
        "format": _of(data.get(FORMAT), "format"),
    }
    ingredients = tuple(_shown(_of(each, "title")) or "unnamed" for each in _list(_of(manifest, "ingredients")))
    return {name: _shown(text) for name, text in texts.items()} | {"ingredients": ingredients}


def _of(data: Any, name: str) -> Any:
    return data.get(name) if isinstance(data, dict) else None


def _shown(text: Any) -> str:
    """What a file says, without what would move a terminal's cursor or fake another line."""
    return "".join(c if c.isprintable() else "?" for c in str(text or ""))[:LONGEST]


def _list(data: Any) -> list[Any]:
    return data if isinstance(data, list) else []


def _first(data: Any) -> Any:
    return next(iter(_list(data)), None)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def _action(name: str, **more: Any) -> dict[str, Any]:
    when = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "label": "c2pa.actions.v2",
        "data": {"actions": [{"action": name, "when": when, "softwareAgent": _agent(), **more}]},
    }


def _agent() -> dict[str, str]:
    return {"name": "Praxino", "version": version("praxino")}


def _add(builder: c2pa.Builder, path: Path, relation: Relation) -> None:
    mime = _mime(path)
    kind = mime if mime in c2pa.Builder.get_supported_mime_types() else "application/octet-stream"
    with path.open("rb") as file:
        name = {"instance_id": PARENT} if relation == "parentOf" else {}
        builder.add_ingredient({"title": path.name, "relationship": relation, **name}, kind, file)


def _signer() -> c2pa.Signer:
    own = signer.identity()
    stamps = own.time_stamp.encode() if own.time_stamp else None
    info = c2pa.C2paSignerInfo(alg=own.algorithm.encode(), sign_cert=own.chain, private_key=own.key, ta_url=stamps)
    return c2pa.Signer.from_info(info)


def _context(authorities: bytes) -> c2pa.Context:
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


def _mime(path: Path) -> str:
    """By what a file begins with, never by its name."""
    with path.open("rb") as file:
        start = file.read(16)
    if start[4:8] == b"ftyp":
        brand = start[8:12]
        pictures = {b"avif": "image/avif", b"heic": "image/heic", b"mif1": "image/heif", b"qt  ": "video/quicktime"}
        return pictures.get(brand, "video/mp4")
    if start[:4] == b"RIFF":
        return {b"WEBP": "image/webp", b"AVI ": "video/avi"}.get(start[8:12], "audio/wav")
    for magic, mime in MAGIC.items():
        if start.startswith(magic):
            return mime
    return "application/octet-stream"


MAGIC: Final = {
    b"\x89PNG": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF8": "image/gif",
    b"\x1aE\xdf\xa3": "video/webm",
    b"II*\0": "image/tiff",
    b"MM\0*": "image/tiff",
}
"""First bytes of formats."""
