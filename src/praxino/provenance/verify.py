"""Is it signed, is it marked, and do the two agree? What anybody can conclude from a file, and no
more.
"""

from pathlib import Path
from typing import Final, Literal

from praxino.config import Config
from praxino.errors import MediaError
from praxino.provenance.c2pa import read, status
from praxino.provenance.c2pa.manifest import printable
from praxino.provenance.c2pa.read import SIDECAR_ENDING, Credentials
from praxino.provenance.c2pa.sidecar import needs_beside
from praxino.provenance.watermark import scan
from praxino.provenance.watermark.scan import Mark
from praxino.storage.files import require_file

SOUND: Final = ("valid", "trusted")
"""States of statements that hold."""

Outcome = Literal["signed", "nothing", "unreadable", "tampered", "marked", "unverifiable"]

CODES: Final[dict[Outcome, int]] = {
    "signed": 0,
    "nothing": 1,
    "unreadable": 2,
    "tampered": 3,
    "marked": 4,
    "unverifiable": 5,
}
"""Exit codes; those of one file."""
CLEAR: Final = 0.8
"""Share of the received bits that agree with a message, from which on one that was not signed is a
contradiction.
"""
CAMERA: Final = ("digitalCapture", "computationalCapture")
"""Sources (IPTC) that a mark of a generated film speaks against, unless they are of a screen that
showed it.
"""
ORIGINS: Final = {
    "trainedAlgorithmicMedia": "made by a model",
    "compositeWithTrainedAlgorithmicMedia": "made by a model in parts",
}
"""Sources (IPTC) in words."""
KNOWN: Final = "signingCredential.untrusted"
"""A problem that is told in other words."""


class Verdict(Config):
    """What was found in a file.

    Attributes
    ----------
    outcome : str
        "signed": as it was when somebody signed it; "marked": a mark, and no statements that hold
        it; "nothing"; "tampered": changed after it was signed, or with another mark than the one
        that was signed; "unverifiable": signed in a form that cannot be checked here, so that
        nothing was compared; "unreadable".
    agree : bool or None
        Whether the mark in the pixels is the one that the statements name; None where there is
        nothing to compare.
    problem : str
        Why it, or its pixels, could not be read.
    """

    path: str
    outcome: Outcome
    credentials: Credentials
    mark: Mark
    agree: bool | None = None
    problem: str = ""

    @property
    def code(self) -> int:
        return CODES[self.outcome]

    @property
    def sentences(self) -> list[str]:
        """The verdict in sentences, what matters most first."""
        return [line for line in (self._signature(), self._watermark(), self._agreement()) if line]

    def _signature(self) -> str:
        credentials = self.credentials
        if self.outcome == "unreadable":
            return f"unreadable: {self.problem}"
        if credentials.elsewhere:
            return (
                f"signature: none in the file, which names {credentials.elsewhere} for it: nobody "
                f"is asked there"
            )
        beside = printable(Path(self.path).with_suffix(SIDECAR_ENDING).name)
        if credentials.state == "none" and needs_beside(Path(self.path)):
            return (
                f"signature: none; {beside} beside the file would hold it, and is not there or "
                f"about another file"
            )
        if credentials.state == "none":
            return "signature: none; if there was one, it was lost when the file was written anew"
        if credentials.state == "tampered":
            why = f" ({', '.join(credentials.problems)})" if credentials.problems else ""
            if credentials.beside:
                return (
                    f"signature: TAMPERED: the file is not what {beside} beside it is about{why}: "
                    f"is that its own?"
                )
            return f"signature: TAMPERED: the file is not what was signed{why}"
        if credentials.state == "unverifiable" and status.is_revoked(credentials.problems):
            return (
                f"signature: there, and vouches for nothing: the signer's certificate was taken "
                f"back or is none ({', '.join(credentials.problems)})"
            )
        if credentials.state == "unverifiable":
            where = f" in {beside}" if credentials.beside else ""
            return (
                f"signature: there{where}, and cannot be checked here "
                f"({', '.join(credentials.problems) or 'no reason given'}): nothing was compared, "
                f"and nothing speaks for a change or against it"
            )
        whom = {True: "this installation", False: credentials.by or "somebody unnamed"}[
            credentials.own
        ]
        caveat = (
            ""
            if credentials.state == "trusted"
            else ", whom this machine does not know: the name may be made up"
        )
        origin = ORIGINS.get(credentials.source, credentials.source or "origin not stated")
        if credentials.declared:
            declarer = f" by {credentials.declared_by}" if credentials.declared_by else ""
            origin = f"declared{declarer} as {origin}: a stamp, not this software's own work"
        agent = f", software {credentials.agent}" if credentials.agent else ""
        model = f", model {credentials.model}" if credentials.model else ""
        date = f", {credentials.made} by the maker's clock" if credentials.made else ""
        near = f" (statements in {beside})" if credentials.beside else ""
        limits = [problem for problem in credentials.problems if problem != KNOWN]
        but = f"; but {', '.join(limits)}" if limits else ""
        into = f", from {', '.join(credentials.ingredients)}" if credentials.ingredients else ""
        return f"signature: valid, by {whom}{caveat}; {origin}{agent}{model}{into}{date}{near}{but}"

    def _watermark(self) -> str:
        mark = self.mark
        if self.problem or not mark.looked:
            return (
                f"watermark: not looked for: "
                f"{self.problem or 'frames of this size have no room for one'}"
            )
        if not mark.found:
            where = f" in the {mark.sample} that were looked at" if mark.sample else ""
            return f"watermark: none found{where}"
        chance = f"false-positive probability about {mark.probability:.0e}"
        if not mark.message:
            return f"watermark: found ({chance}); its message is lost"
        owner = ", by this installation" if mark.own else ""
        how = "its message is worn, and resembles" if mark.recognised else "message"
        statement = "of another version"
        if mark.month and mark.stamped:
            statement = f"stamped in {mark.month} as generated{owner}: declared, not made here"
        elif mark.month:
            statement = f"made in {mark.month} by a model {mark.model}{owner}"
        return f"watermark: found ({chance}); {how} {mark.message}: {statement}{_moved(mark)}"

    def _agreement(self) -> str:
        credentials, mark = self.credentials, self.mark
        if self.agree:
            return "signature and watermark agree"
        if self.agree is False:
            return "TAMPERED: the signature names another mark than the one in the pixels"
        if credentials.state not in SOUND or self.problem:
            return ""
        if credentials.source in CAMERA and mark.found:
            return (
                f"CONTRADICTION: signed as {credentials.source}, marked as generated: a picture "
                f"of a screen, at best"
            )
        if credentials.mark and not mark.found:
            return f"the signature names a mark, {credentials.mark}, that the pixels do not show"
        if credentials.mark and mark.message and credentials.mark != mark.message:
            return (
                f"the signature names the mark {credentials.mark}; the one in the pixels is too "
                f"faint to compare"
            )
        return (
            ""
            if credentials.mark or not mark.found
            else "the signature does not name the mark that is in the pixels"
        )


def _moved(mark: Mark) -> str:
    changes = [
        *(["mirrored"] if mark.flipped else []),
        *([f"turned by {mark.turn:.0f} degrees"] if abs(mark.turn) > 1.5 else []),
        *(
            [f"perhaps cut or framed (about {mark.scale:.2f} times its scale)"]
            if abs(mark.scale - 1) > 0.02 and mark.message
            else []
        ),
        *([f"only in {mark.seconds}"] if mark.seconds else []),
    ]
    return f"; since then {', '.join(changes)}" if changes else ""


def verify(path: str | Path) -> Verdict:
    """Read a file's statements and its mark.

    Raises
    ------
    MediaError
        If it is missing, a folder, empty, or neither film nor picture.
    """
    source = Path(path)
    require_file(source)
    try:
        credentials = read.read(source)
    except MediaError:
        raise
    except OSError as error:
        raise MediaError(
            f"cannot read {source}: {error.strerror or error}", "is it a file that you may read?"
        ) from None
    problem = ""
    try:
        mark = scan.mark_of(source)
    except MediaError as error:
        if credentials.state == "none":
            raise
        mark, problem = Mark(), str(error)
    agree = _agree(credentials, mark)
    return Verdict(
        path=str(path),
        outcome=_outcome(credentials, mark, agree),
        credentials=credentials,
        mark=mark,
        agree=agree,
        problem=problem,
    )


def _agree(credentials: Credentials, mark: Mark) -> bool | None:
    if not credentials.mark or not mark.message:
        return None
    if credentials.mark == mark.message:
        return True
    return False if mark.agreement >= CLEAR else None  # fainter ones are now and then read wrongly


def _outcome(credentials: Credentials, mark: Mark, agree: bool | None) -> Outcome:
    if credentials.state == "tampered" or agree is False:
        return "tampered"
    if credentials.state in SOUND:
        return "signed"
    if credentials.state == "unverifiable":
        return "unverifiable"
    return "marked" if mark.found else "nothing"


def unreadable(path: Path, problem: str) -> Verdict:
    """The verdict on a file among others that cannot be read."""
    return Verdict(
        path=str(path),
        outcome="unreadable",
        credentials=Credentials(),
        mark=Mark(),
        problem=problem,
    )
