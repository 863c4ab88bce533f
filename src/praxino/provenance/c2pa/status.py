"""What each status code of C2PA says of a file: whether something was compared, and what came of
it.

Codes are those of the specification (C2PA 2.2, section 15.2) and of the library that reads files.
"""

from collections.abc import Iterable
from enum import Enum
from typing import Final


class Finding(Enum):
    """What came of one check; the value is how the docs call it."""

    MATCH = "matched"
    MISMATCH = "did not match"
    INCOMPARABLE = "could not be compared"
    UNTRUSTED = "signer or clock not trusted"
    EXPIRED = "expired"
    REVOKED = "revoked"
    REMOTE = "elsewhere"
    REMARK = "remark"


FINDINGS: Final[dict[Finding, tuple[str, ...]]] = {
    Finding.MATCH: (
        "claimSignature.validated",
        "claimSignature.insideValidity",
        "signingCredential.trusted",
        "signingCredential.ocsp.notRevoked",
        "timeStamp.validated",
        "timeStamp.trusted",
        "assertion.hashedURI.match",
        "assertion.dataHash.match",
        "assertion.bmffHash.match",
        "assertion.boxesHash.match",
        "assertion.collectionHash.match",
        "assertion.accessible",
        "ingredient.manifest.validated",
        "ingredient.claimSignature.validated",
    ),
    Finding.MISMATCH: (
        "claimSignature.mismatch",
        "assertion.hashedURI.mismatch",
        "assertion.dataHash.mismatch",
        "assertion.bmffHash.mismatch",
        "assertion.boxesHash.mismatch",
        "assertion.boxesHash.unknownBox",
        "assertion.collectionHash.mismatch",
        "assertion.collectionHash.incorrectFileCount",
        "ingredient.hashedURI.mismatch",
        "ingredient.manifest.mismatch",
        "ingredient.claimSignature.mismatch",
    ),
    Finding.INCOMPARABLE: (
        "claim.missing",
        "claim.multiple",
        "claim.malformed",
        "claim.cbor.invalid",
        "claim.required.missing",
        "claim.hardBindings.missing",
        "claimSignature.missing",
        "assertion.missing",
        "assertion.undeclared",
        "assertion.required.missing",
        "assertion.outsideManifest",
        "assertion.inaccessible",
        "assertion.notRedacted",
        "assertion.selfRedacted",
        "assertion.hardBinding.redacted",
        "assertion.multipleHardBindings",
        "assertion.json.invalid",
        "assertion.cbor.invalid",
        "assertion.dataHash.malformed",
        "assertion.dataHash.redacted",
        "assertion.bmffHash.malformed",
        "assertion.boxesHash.malformed",
        "assertion.collectionHash.malformed",
        "assertion.collectionHash.invalidURI",
        "assertion.action.malformed",
        "assertion.action.ingredientMismatch",
        "assertion.action.redacted",
        "assertion.action.redactionMismatch",
        "assertion.action.softBindingMissing",
        "assertion.ingredient.malformed",
        "assertion.timestamp.malformed",
        "assertion.cloud-data.hardBinding",
        "assertion.cloud-data.labelMismatch",
        "assertion.cloud-data.malformed",
        "assertion.external-reference.malformed",
        "hashedURI.missing",
        "ingredient.manifest.missing",
        "ingredient.claimSignature.missing",
        "manifest.multipleParents",
        "manifest.missing",
        "manifest.unknown",
        "manifest.jsonInvalid",
        "manifest.compressed.invalid",
        "manifest.update.invalid",
        "manifest.update.wrongParents",
        "manifest.timestamp.invalid",
        "manifest.timestamp.wrongParents",
        "algorithm.unsupported",
        "general.error",
    ),
    Finding.UNTRUSTED: (
        "signingCredential.untrusted",
        "signingCredential.invalid",
        "signingCredential.ocsp.unknown",
        "signingCredential.ocsp.inaccessible",
        "timeStamp.untrusted",
        "timeStamp.malformed",
        "timeStamp.mismatch",
        "timeOfSigning.outsideValidity",
    ),
    Finding.EXPIRED: (
        "signingCredential.expired",
        "claimSignature.outsideValidity",
        "timeStamp.outsideValidity",
    ),
    Finding.REVOKED: ("signingCredential.ocsp.revoked", "signingCredential.revoked"),
    Finding.REMOTE: (
        "manifest.inaccessible",
        "assertion.cloud-data.inaccessible",
        "assertion.external-reference.inaccessible",
    ),
    Finding.REMARK: (
        "algorithm.deprecated",
        "assertion.dataHash.additionalExclusionsPresent",
        "assertion.bmffHash.additionalExclusionsPresent",
        "assertion.boxesHash.additionalExclusionsPresent",
        "ingredient.unknownProvenance",
        "signingCredential.ocsp.skipped",
        "manifest.unreferenced",
        "timeOfSigning.insideValidity",
    ),
}
"""The codes of each finding."""
_FINDING_OF: Final = {code: finding for finding, codes in FINDINGS.items() for code in codes}
IDENTITY: Final = "cawg."
"""How codes of identity assertions (CAWG) begin: they tell of who signed, never of the file."""


def finding(code: str) -> Finding:
    """What a status code says; nothing was compared, for all that is known, where it is unknown."""
    if code.startswith(IDENTITY):
        return Finding.UNTRUSTED
    return _FINDING_OF.get(code, Finding.INCOMPARABLE)


def is_changed(codes: Iterable[str]) -> bool:
    """Whether a comparison failed: the one ground on which a file is said to be tampered with."""
    return any(finding(code) is Finding.MISMATCH for code in codes)


def is_unverifiable(codes: Iterable[str]) -> bool:
    """Whether something could not be compared."""
    return any(finding(code) in (Finding.INCOMPARABLE, Finding.REMOTE) for code in codes)


def is_revoked(codes: Iterable[str]) -> bool:
    """Whether the signer's certificate was taken back, or is none: it vouches for nothing then."""
    return any(
        finding(code) is Finding.REVOKED or code == "signingCredential.invalid" for code in codes
    )
