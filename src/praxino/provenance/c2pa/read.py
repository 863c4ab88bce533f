"""What the statements in a file say, and whether they hold."""

import json
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal

import c2pa

from praxino.config import Config
from praxino.errors import MediaError
from praxino.provenance.c2pa import identity, status
from praxino.provenance.c2pa.container import context, holds_statements, one_line
from praxino.provenance.c2pa.manifest import listed, of, printable, stated
from praxino.storage.media.formats import HEAD_BYTES, mime_type

SIDECAR_ENDING: Final = ".c2pa"
"""Ending of the file beside one that cannot hold the statements itself."""
MAX_SIDECAR_BYTES: Final = 64 * 2**20
"""Bytes of such a file that are taken on."""
MAX_PICTURE_BYTES: Final = 2**28
"""Bytes of a picture that are taken on: its parser holds them all."""
REMOTE_MANIFEST_PREFIX: Final = "Remote: "
"""How its error begins for a file whose statements are not in it, but at an address."""
State = Literal["none", "trusted", "valid", "unverifiable", "tampered"]


class Credentials(Config):
    """What a file states, and whether that holds.

    Attributes
    ----------
    state : str
        "none"; "trusted" or "valid" if the file is as it was signed, by a signer trusted here or
        another one; "tampered" if it is not, as a comparison showed; "unverifiable" if there are
        statements with which nothing could be compared, or whose signer's certificate was revoked.
    own : bool
        Whether this installation signed it.
    by : str
        The signer, as its certificate calls it.
    agent, source, model, prompt_hash, prompt, mark : str
        What made it, how (IPTC digital source type), with which model, from which sentence
        (SHA-256, or itself if it was to be said), and the message of the mark that was put into its
        pixels; empty where not stated.
    declared, declared_by : bool, str
        Whether all of this is a declaration about a file that the signer's software did not make
        (`provenance.stamp`), and whose.
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
    declared: bool = False
    declared_by: str = ""
    made: str = ""
    ingredients: tuple[str, ...] = ()
    beside: bool = False
    elsewhere: str = ""
    problems: tuple[str, ...] = ()


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
        mime, size = mime_type(file.read(HEAD_BYTES)), path.stat().st_size
        if mime.startswith("image/") and size > MAX_PICTURE_BYTES:
            raise MediaError(
                f"{path}: {size:,} bytes are too many for a picture", "reduce it first"
            )
        credentials = _read(mime, file, None, False)
    beside = path.with_suffix(SIDECAR_ENDING)
    if (
        credentials.state == "none"
        and beside != path
        and beside.is_file()
        and beside.stat().st_size <= MAX_SIDECAR_BYTES
    ):
        with path.open("rb") as file:
            near = _read(mime, file, beside.read_bytes(), True)
        return near if near.state != "none" else credentials
    return credentials


def _read(mime: str, file: BinaryIO, manifest: bytes | None, beside: bool) -> Credentials:
    """With those trusted who vouch for us, then those trusted here, so that it is known whose the
    signature is.
    """
    statements: dict[str, Any] = {}
    own = False
    for anchors in (
        identity.installation_anchors(),
        identity.configured_anchors(),
        identity.trusted_anchors(),
    ):
        if statements and not anchors.authorities:
            continue
        file.seek(0)
        now = parse(mime, file, manifest, anchors.authorities)
        own = anchors.own and anchors.serial in ("", now.get("serial"))
        if not statements or own or not anchors.own:
            statements = now
        if statements.get("state") != "valid":
            break
    if not statements or (beside and statements.get("format", "") not in (mime, "")):
        return Credentials()
    statements = {
        name: value for name, value in statements.items() if name in Credentials.model_fields
    }
    return Credentials(**statements, own=statements["state"] == "trusted" and own, beside=beside)


def parse(
    mime: str, file: BinaryIO, manifest: bytes | None, authorities: bytes = b""
) -> dict[str, Any]:
    """Fields of `Credentials`, ``format`` and ``serial``; nothing if there are no statements."""
    settings = context(authorities)
    try:
        with c2pa.Reader(mime, file, manifest, settings) as reader:
            state, statements = reader.get_validation_state(), json.loads(reader.json())
    except (c2pa.C2paError.ManifestNotFound, c2pa.C2paError.NotSupported):
        return {}
    except (c2pa.C2paError, ValueError) as error:
        if str(error).startswith(REMOTE_MANIFEST_PREFIX):
            return {"state": "none", "elsewhere": printable(str(error).rpartition(" ")[2])}
        # files are damaged that nobody ever signed, too
        present = manifest is not None or holds_statements(file)
        return {"state": "unverifiable", "problems": (one_line(error),)} if present else {}
    problems = tuple(str(of(row, "code")) for row in listed(of(statements, "validation_status")))
    states: dict[str | None, State] = {"Trusted": "trusted", "Valid": "valid"}
    active = of(of(statements, "manifests"), str(of(statements, "active_manifest")))
    return {"state": states.get(state) or _state(problems), "problems": problems, **stated(active)}


def _state(problems: tuple[str, ...]) -> State:
    """What the status codes of statements that are not simply valid come to."""
    if status.is_changed(problems):
        return "tampered"
    if status.is_unverifiable(problems) or status.is_revoked(problems) or not problems:
        return "unverifiable"
    return "valid"  # expired, say: the file is still what was signed
