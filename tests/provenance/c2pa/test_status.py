"""An accusation needs a comparison that failed."""

import re
from pathlib import Path

import pytest

from praxino.provenance.c2pa.read import _state
from praxino.provenance.c2pa.status import FINDINGS, Finding, finding

DOCS = Path(__file__).parents[3] / "docs" / "provenance.md"


def test_every_code_has_one_finding():
    codes = [code for group in FINDINGS.values() for code in group]
    assert len(codes) == len(set(codes))
    assert all(finding(code) is kind for kind, group in FINDINGS.items() for code in group)


@pytest.mark.parametrize(
    ("codes", "state"),
    [
        (("assertion.bmffHash.mismatch",), "tampered"),
        (("signingCredential.untrusted", "claimSignature.mismatch"), "tampered"),
        (("claimSignature.missing", "assertion.hashedURI.mismatch"), "tampered"),
        (("algorithm.unsupported", "signingCredential.untrusted"), "unverifiable"),
        (("assertion.cbor.invalid",), "unverifiable"),
        (("a.code.of.2031",), "unverifiable"),
        (("signingCredential.expired", "signingCredential.untrusted"), "valid"),
        (("signingCredential.ocsp.revoked",), "unverifiable"),
        (("cawg.identity.assertion.mismatch",), "valid"),
        (("timeStamp.mismatch",), "valid"),
        ((), "unverifiable"),
    ],
)
def test_what_codes_come_to(codes, state):
    assert _state(codes) == state


def test_the_docs_have_every_code():
    rows = dict(re.findall(r"^\| ([^|]+?) \| [^|]+ \| (`[^|]+`) \|$", DOCS.read_text(), re.M))
    assert {name: re.findall("`([^`]+)`", row) for name, row in rows.items()} == {
        kind.value: list(FINDINGS[kind]) for kind in Finding
    }
