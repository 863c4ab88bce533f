"""What is secret on this machine, and what its owner has chosen: one folder, made when first
needed.

``key`` says who made a mark (never written into a file as it is), ``credentials.pem`` signs (see
`credentials`), ``provenance.toml`` is written by hand, if at all. Machines that share one key get
it by ``PRAXINO_KEY``.
"""

import functools
import hashlib
import hmac
import logging
import os
import secrets
import stat
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import platformdirs
from pydantic import Field, ValidationError

from praxino.config import Config
from praxino.errors import InputError
from praxino.storage.files import write_secret

logger = logging.getLogger("praxino.provenance")

FOLDER: Final = "PRAXINO_CONFIG"
"""Environment variable that names another folder."""
VARIABLE: Final = "PRAXINO_KEY"
"""Environment variable that holds the key of a fleet."""
SHORTEST: Final = 32
"""Characters that it has at least."""
PUBLIC: Final = b"praxino: a mark for everybody to read"
"""The key of marks that anybody may look for."""


class ProvenanceConfig(Config):
    """What ``provenance.toml`` may say; files are named from its folder on.

    Attributes
    ----------
    private : bool
        Marks are made with the key of this installation: nobody else can find, copy or remove them
        by their pattern.
    chain, key : str
        PEM files of a certificate chain, the signer's first, and its private key, to sign with
        instead of our own.
    algorithm : str
        Of that key, as C2PA calls it.
    time_stamp : str
        Address of a time-stamping authority (RFC 3161); the only thing here that uses the network.
    trust : tuple of str
        PEM files of authorities whose signers are trusted.
    """

    private: bool = False
    chain: str = ""
    key: str = ""
    algorithm: Literal["es256", "es384", "es512", "ps256", "ps384", "ps512", "ed25519"] = "es256"
    time_stamp: str = ""
    trust: tuple[str, ...] = Field((), strict=False)


@dataclass(frozen=True, repr=False)
class InstallationKey:
    """A secret, from which others are derived; it does not show itself."""

    secret: bytes

    def derived(self, purpose: str) -> bytes:
        """32 bytes for one purpose, which say nothing of the secret or of those for another."""
        return hmac.digest(self.secret, b"praxino " + purpose.encode(), "sha256")


def folder() -> Path:
    """Where secrets and choices lie; it may not be there yet."""
    named = os.environ.get(FOLDER)
    return Path(named) if named else platformdirs.user_config_path("praxino")


def installation() -> InstallationKey:
    """The key of ``PRAXINO_KEY``, or of this installation, made when first asked for.

    Raises
    ------
    InputError
        If either cannot be a key.
    """
    value = os.environ.get(VARIABLE)
    if value is not None:
        if len(value) < SHORTEST:
            raise InputError(
                f"{VARIABLE} has {len(value)} characters: at least {SHORTEST}",
                "openssl rand -hex 32",
            )
        return InstallationKey(hashlib.sha256(value.encode("utf-8", "surrogateescape")).digest())
    path = folder() / "key"
    try:
        if not path.exists():
            write_secret(path, secrets.token_hex(32).encode() + b"\n")
        text = path.read_text(errors="replace")
    except OSError as error:
        _say_once(
            f"note: {path}: {error.strerror}: marks will not say whose they are (hint: set "
            f"{VARIABLE})"
        )
        return _for_now()
    if len(text.strip()) < SHORTEST:
        raise InputError(
            f"{path} holds no key", f"delete it, and a new one is made; or set {VARIABLE}"
        )
    if os.name == "posix" and stat.S_IMODE(path.stat().st_mode) & 0o077:
        _say_once(f"note: {path} can be read by others (hint: chmod 600 {path})")
    return InstallationKey(hashlib.sha256(text.strip().encode()).digest())


def mark_keys() -> dict[str, bytes]:
    """The keys of marks that can be looked for here: everybody's, and this installation's own."""
    return {"public": PUBLIC, "private": installation().derived("carriers")}


def own_mark_key() -> bytes:
    """The key that marks are made with here."""
    return mark_keys()["private" if settings().private else "public"]


def settings() -> ProvenanceConfig:
    """What ``provenance.toml`` says, or nothing but defaults without one.

    Raises
    ------
    InputError
        If it cannot be read, or names what there is not.
    """
    path = folder() / "provenance.toml"
    try:
        return ProvenanceConfig.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, NotADirectoryError):
        return ProvenanceConfig()
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise InputError(
            f"{path}: {name}: {first['msg']}", f"one of {', '.join(ProvenanceConfig.model_fields)}"
        ) from None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}", "is it yours to read?") from None
    except ValueError as error:
        raise InputError(f"{path}: {error}", "it is TOML, such as: private = true") from None


@functools.cache
def _for_now() -> InstallationKey:
    """The key of a machine that keeps no files: it lasts as long as the process."""
    return InstallationKey(secrets.token_bytes(32))


@functools.cache
def _say_once(text: str) -> None:
    logger.warning(text)
