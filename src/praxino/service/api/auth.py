"""Who calls: a key in a header, or in a cookie for the page; anybody where the server is open to
its machine alone.
"""

import math
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Annotated, Final

from fastapi import Depends, Request
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from praxino.errors import InputError
from praxino.service import api_keys
from praxino.service.api.errors import ApiError
from praxino.service.api.middleware import LOOPBACK
from praxino.service.queue.quotas import MAX_SIZE_FACTOR, MAX_UPLOAD_BYTES, Caller, Quota
from praxino.service.queue.store import Store
from praxino.storage.objects import Objects

KEY_CACHE_SECONDS: Final = 5.0
"""Seconds that a revoked key may still be accepted."""
MAX_CACHED_KEYS: Final = 10_000
LOCAL_CALLER: Final = Caller("", Quota(per_minute=0, priority=1))
"""Whoever sits at a machine whose server is open to it alone."""


@dataclass
class AppState:
    """What all routes share.

    Attributes
    ----------
    host : str
        Address that the server is bound to; only on loopback may it be open.
    max_upload_bytes : int
        Largest body of a request.
    max_size_factor : int
        Largest film, as a multiple of the pixels x frames that its model makes by default.
    default : str, optional
        Name of the model that is used where a request names none.
    origins : tuple of str
        Origins of other sites whose pages may use the API.
    """

    store: Store
    objects: Objects
    host: str = "127.0.0.1"
    max_upload_bytes: int = MAX_UPLOAD_BYTES
    max_size_factor: int = MAX_SIZE_FACTOR
    default: str | None = None
    origins: tuple[str, ...] = ()
    _callers: dict[str, tuple[float, Caller | None]] = field(default_factory=dict)
    _has_keys: tuple[float, bool] = (-math.inf, True)

    def is_open(self) -> bool:
        """Whether no key is required: on loopback, as long as there has never been one."""
        if self.host not in LOOPBACK:
            return False
        if self._is_stale():
            has_keys = self._has_keys[1]
            with suppress(SQLAlchemyError):  # while the database is away, the last answer holds
                has_keys = bool(api_keys.all_keys(self.store.database))
            self._has_keys = (time.monotonic(), has_keys)
        return not self._has_keys[1]

    async def is_open_async(self) -> bool:
        """`is_open`, for the event loop, which must not wait for a database."""
        return await run_in_threadpool(self.is_open) if self._is_stale() else self.is_open()

    def _is_stale(self) -> bool:
        return self.host in LOOPBACK and time.monotonic() - self._has_keys[0] > KEY_CACHE_SECONDS

    def require_keys(self) -> None:
        """Raise `InputError` if the server would be open to others than this machine."""
        if self.host not in LOOPBACK and not api_keys.all_keys(self.store.database):
            raise InputError(
                f"host={self.host}: anybody who reaches it could use it", "praxino keys add NAME"
            )

    def find_caller(self, text: str) -> Caller | None:
        """The owner of a key, None for an unknown one; the database is asked again after
        `KEY_CACHE_SECONDS`.
        """
        now = time.monotonic()
        since, caller = self._callers.get(
            hashed := api_keys.hash_key(text), (-KEY_CACHE_SECONDS, None)
        )
        if now - since >= KEY_CACHE_SECONDS:
            key = api_keys.find_key(self.store.database, text)
            caller = Caller(key.id, key.quota) if key else None
            if len(self._callers) > MAX_CACHED_KEYS:  # somebody guesses
                self._callers.clear()
            self._callers[hashed] = (now, caller)
        return caller


async def app_state(request: Request) -> AppState:
    """The state of this app."""
    state: AppState = request.app.state.praxino
    return state


def cookie_name(request: Request) -> str:
    """Name of the cookie with a key: browsers share cookies between the ports of a host, which may
    be two servers.
    """
    port = request.headers.get("host", "").rpartition(":")[2]
    return f"praxino_key_{port}" if port.isdecimal() else "praxino_key"


async def require_caller(request: Request) -> Caller:
    """Who calls; raises 401 where a key is required and none, or a wrong one, was sent."""
    state: AppState = request.app.state.praxino
    if await state.is_open_async():
        return LOCAL_CALLER
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    text = (
        text.strip()
        if scheme.lower() == "bearer"
        else request.cookies.get(cookie_name(request), "")
    )
    caller = await run_in_threadpool(state.find_caller, text) if text else None
    if caller is None:
        message = (
            "that key is not known" if text else "a key is needed: Authorization: Bearer px-..."
        )
        raise ApiError(401, message, "invalid_api_key", WWW_Authenticate="Bearer")
    return caller


CallerDep = Annotated[Caller, Depends(require_caller)]
StateDep = Annotated[AppState, Depends(app_state)]
