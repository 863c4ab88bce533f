"""Who asks: a key in a header, or in a cookie for the page; nobody in particular where the server is open."""

import math
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Annotated, Final

from fastapi import Depends, Request
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from praxino.errors import InputError
from praxino.service.api.errors import ApiError
from praxino.service.api.middleware import LOOPBACK
from praxino.service.queue import quotas
from praxino.service.queue.quotas import Quota
from praxino.service.queue.store import Store
from praxino.storage.objects import Objects

REMEMBERED: Final = 5.0
"""Seconds that a revoked key may still be taken for a good one."""
OPEN: Final = Quota(per_minute=0, priority=1)
"""Of whoever sits at a machine whose server is open to it alone."""


@dataclass(frozen=True)
class Caller:
    """Who asks, and what they may ask for."""

    owner: str
    limits: Quota


@dataclass
class AppState:
    """What all routes share.

    Attributes
    ----------
    default : str, optional
        Name of the model that is taken where none is asked for.
    host : str
        That the server is bound to: only on loopback may it be open.
    largest : int
        How many times as many pixels as its model's own films a film may have.
    """

    store: Store
    objects: Objects
    host: str = "127.0.0.1"
    upload: int = 64 * 2**20
    largest: int = 16
    default: str | None = None
    origins: tuple[str, ...] = ()
    _known: dict[str, tuple[float, Caller | None]] = field(default_factory=dict)
    _keys: tuple[float, bool] = (-math.inf, True)

    def open(self) -> bool:
        """Whether no key is asked for: on loopback, as long as there has never been one."""
        if self.host not in LOOPBACK:
            return False
        if self._stale():
            known = self._keys[1]
            with suppress(SQLAlchemyError):  # who was let in before is now, too
                known = bool(quotas.all_keys(self.store.database))
            self._keys = (time.monotonic(), known)
        return not self._keys[1]

    async def opened(self) -> bool:
        """`open`, from the event loop, which must not wait for a database."""
        return await run_in_threadpool(self.open) if self._stale() else self.open()

    def _stale(self) -> bool:
        return self.host in LOOPBACK and time.monotonic() - self._keys[0] > REMEMBERED

    def check(self) -> None:
        """Raise `InputError` if it would be open to others than this machine."""
        if self.host not in LOOPBACK and not quotas.all_keys(self.store.database):
            raise InputError(f"host={self.host}: anybody who reaches it could use it", "praxino keys add NAME")

    def caller(self, text: str) -> Caller | None:
        """Whose key this is, None if nobody's; asked of the database every few seconds."""
        now = time.monotonic()
        since, found = self._known.get(hashed := quotas.hashed(text), (-REMEMBERED, None))
        if now - since >= REMEMBERED:
            key = quotas.find_key(self.store.database, text)
            found = Caller(key.id, key.limits) if key else None
            if len(self._known) > 10_000:  # guesses
                self._known.clear()
            self._known[hashed] = (now, found)
        return found


async def studio(request: Request) -> AppState:
    """The one of this app."""
    found: AppState = request.app.state.studio
    return found


def cookie(request: Request) -> str:
    """Name of the cookie with a key: browsers keep those of a host together, and two studios on one may differ."""
    port = request.headers.get("host", "").rpartition(":")[2]
    return f"praxino_key_{port}" if port.isdecimal() else "praxino_key"


async def caller(request: Request) -> Caller:
    """Who asks; raises 401 where that must be known and is not."""
    shared: AppState = request.app.state.studio
    if await shared.opened():
        return Caller("", OPEN)
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    text = text.strip() if scheme.lower() == "bearer" else request.cookies.get(cookie(request), "")
    found = await run_in_threadpool(shared.caller, text) if text else None
    if found is None:
        said = "that key is not known" if text else "a key is needed: Authorization: Bearer px-..."
        raise ApiError(401, said, "invalid_api_key", WWW_Authenticate="Bearer")
    return found


CallerDep = Annotated[Caller, Depends(caller)]
StateDep = Annotated[AppState, Depends(studio)]
