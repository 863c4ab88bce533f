"""What any file with C2PA statements is to the library: its MIME type, the box that holds them,
trust settings.
"""

from typing import BinaryIO, Final

import c2pa

from praxino.errors import InputError

QUIET: Final = {
    "builder": {"thumbnail": {"enabled": False}},
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False, "verify_trust": True},
}
"""Nothing is fetched, and no pictures are put in."""
BOX: Final = b"jumdc2pa\x00\x11\x00\x10\x80\x00\x00\xaa\x00\x38\x9b\x71"
"""How the description of a box of statements begins (C2PA specification 2.2, 11.1.4)."""
USAGES: Final = "1.3.6.1.5.5.7.3.4\n1.3.6.1.5.5.7.3.36\n1.3.6.1.4.1.62558.2.1\n"
"""What certificates of trusted signers may be for: e-mail protection, document signing, C2PA
claims.
"""


def holds_statements(file: BinaryIO) -> bool:
    """Whether a box of statements begins anywhere in a file."""
    file.seek(0)
    kept = b""
    while chunk := file.read(2**20):
        if BOX in kept + chunk:
            return True
        kept = chunk[-len(BOX) :]
    return False


def context(authorities: bytes = b"") -> c2pa.Context:
    try:
        trust = (
            {"trust": {"user_anchors": authorities.decode(), "trust_config": USAGES}}
            if authorities
            else {}
        )
        return c2pa.Context(c2pa.Settings.from_dict({**QUIET, **trust}))
    except (UnicodeDecodeError, c2pa.C2paError) as error:
        raise InputError(
            f"trusted authorities: {one_line(error)}", "they are PEM files of certificates"
        ) from None


def one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
