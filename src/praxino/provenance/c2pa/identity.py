"""Who signs on this machine: a chain of certificates of our own, made when first needed, or the one
its owner chose.

Ours proves that films come from the same installation, and to whoever was given ``authority.pem``,
from which one. Nobody else knows it: public verifiers call it untrusted, which is not invalid.
"""

import contextlib
import functools
import logging
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from praxino.errors import InputError
from praxino.provenance import keys
from praxino.storage import files

logger = logging.getLogger("praxino.provenance")

YEARS: Final = 5
"""For which our own signing key is good."""


@dataclass(frozen=True, repr=False)
class Identity:
    """A chain of certificates and its private key, both PEM; the key does not show itself."""

    chain: bytes
    key: bytes
    algorithm: str
    time_stamp: str

    def unstamped(self) -> "Identity":
        return replace(self, time_stamp="")


def identity() -> Identity:
    """The one that ``provenance.toml`` names, or our own, made if there is none that is still good.

    Raises
    ------
    InputError
        If a file named there cannot be read.
    """
    settings = keys.settings()
    if bool(settings.chain) != bool(settings.key):
        raise InputError(
            "provenance.toml names a chain without its key, or a key without its chain", "name both"
        )
    if settings.algorithm != "es256" and not settings.chain:
        raise InputError(
            f"provenance.toml names the algorithm {settings.algorithm} without a chain",
            "name chain and key",
        )
    if settings.chain:
        return Identity(
            named(settings.chain), named(settings.key), settings.algorithm, settings.time_stamp
        )
    own = _kept() or _make_identity()
    return Identity(own[0], own[1], "es256", settings.time_stamp)


@dataclass(frozen=True)
class TrustAnchors:
    """Who is believed: ``authorities`` (PEM, perhaps none), and whether that makes a signer
    ourselves, if it has the ``serial`` number, unless that is empty.
    """

    authorities: bytes
    own: bool
    serial: str = ""


def installation_anchors() -> TrustAnchors:
    """The authorities of all chains made here: they vouched for nobody else."""
    path = keys.folder() / "authority.pem"
    try:
        return TrustAnchors(path.read_bytes(), own=True)
    except (FileNotFoundError, NotADirectoryError):
        return TrustAnchors(b"", own=True)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}", "is it yours to read?") from None


def configured_anchors() -> TrustAnchors:
    """Authorities of the signer that ``provenance.toml`` names; they vouch for others, too."""
    path = keys.settings().chain
    if not path:
        return TrustAnchors(b"", own=True)
    leaf, *issuers = _certificates(path)
    return TrustAnchors(b"".join(map(_pem, issuers)), own=True, serial=str(leaf.serial_number))


def trusted_anchors() -> TrustAnchors:
    """The authorities that ``provenance.toml`` trusts."""
    anchors = [certificate for path in keys.settings().trust for certificate in _certificates(path)]
    return TrustAnchors(b"".join(map(_pem, anchors)), own=False)


def _certificates(path: str) -> list[x509.Certificate]:
    """The certificates in a file that ``provenance.toml`` names."""
    text = named(path)
    try:
        return x509.load_pem_x509_certificates(text)
    except ValueError as error:
        raise InputError(
            f"provenance.toml names {path}: {error}", "a PEM file of certificates"
        ) from None


def named(path: str) -> bytes:
    """The file that ``provenance.toml`` names."""
    file = keys.folder() / Path(path).expanduser()
    try:
        return file.read_bytes()
    except OSError as error:
        raise InputError(
            f"provenance.toml names {file}: {error.strerror}", "is the path right?"
        ) from None


def _kept() -> tuple[bytes, bytes] | None:
    path = keys.folder() / "credentials.pem"
    try:
        text = path.read_bytes()
        chain = x509.load_pem_x509_certificates(text)
        key = serialization.load_pem_private_key(text, None)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, TypeError) as error:
        raise InputError(
            f"{path}: {error}", "delete it, and a new one is made; or sign with your own chain"
        ) from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise InputError(f"{path}: no key on an elliptic curve", "delete it, and a new one is made")
    if chain[0].not_valid_after_utc < datetime.now(UTC):
        logger.warning(
            "note: the signing key of this installation is over %d years old: a new one is made",
            YEARS,
        )
        with contextlib.suppress(OSError):
            path.unlink()
        return None
    return b"".join(map(_pem, chain)), _private(key)


def _make_identity() -> tuple[bytes, bytes]:
    """A chain that is kept, or where nothing can be, one for as long as the process lasts."""
    folder = keys.folder()
    chain, private, authority = _fresh()
    try:
        files.write_secret(folder / "credentials.pem", private + chain)
        kept = _kept()
        if kept and kept[0] == chain:  # no other process was first
            with (folder / "authority.pem").open("ab") as file:
                file.write(authority)
        return kept or (chain, private)
    except OSError as error:
        return _for_now(str(folder), error.strerror or "")


def _fresh() -> tuple[bytes, bytes, bytes]:
    """A new authority, whose key is forgotten at once, and the one key that it vouches for."""
    name = f"Praxino installation {keys.installation().derived('name').hex()[:8]}"
    authority_key, key = (
        ec.generate_private_key(ec.SECP256R1()),
        ec.generate_private_key(ec.SECP256R1()),
    )
    authority = _certificate(f"{name}, authority", authority_key, None, authority_key)
    leaf = _certificate(name, key, authority, authority_key)
    return _pem(leaf) + _pem(authority), _private(key), _pem(authority)


@functools.cache
def _for_now(folder: str, problem: str) -> tuple[bytes, bytes]:
    logger.warning(
        "note: %s: %s: films are signed by a key that is not kept (hint: %s)",
        folder,
        problem,
        keys.FOLDER,
    )
    return _fresh()[:2]


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Certificate | None,
    by: ec.EllipticCurvePrivateKey,
) -> x509.Certificate:
    """A certificate as C2PA requires it (specification 2.2, 14.5): of an authority without an
    ``issuer``, else of a signer.
    """
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, name),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "self-made"),
        ]
    )
    now, top = datetime.now(UTC), issuer is None
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=366 * YEARS))
        .add_extension(x509.BasicConstraints(top, None), critical=True)
        .add_extension(
            x509.KeyUsage(not top, False, False, False, False, top, top, False, False),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(by.public_key()), critical=False
        )
    )
    if not top:
        builder = builder.add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False
        )
    return builder.sign(by, hashes.SHA256())


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
