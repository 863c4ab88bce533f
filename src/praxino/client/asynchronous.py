"""The client with coroutines."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx

from praxino.client.wire import (
    CHUNK_BYTES,
    URL,
    Axes,
    Check,
    EventStream,
    File,
    Film,
    Progress,
    Variant,
    auth_headers,
    character_request,
    check_request,
    edit_request,
    event_request,
    film_path,
    film_request,
    page_params,
    to_check,
    to_error,
    to_film,
    to_upload,
    whole_file,
)


class AsyncClient:
    """`Client` with coroutines: the same methods, parameters and errors."""

    def __init__(
        self,
        url: str = URL,
        key: str | None = None,
        timeout: float = 120.0,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._http = httpx.AsyncClient(
            base_url=url, headers=auth_headers(key), timeout=timeout, transport=transport
        )

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def create(self, prompt: str, picture: File | None = None, **settings: Any) -> Film:
        """Submit a film; see `Client.create`."""
        return to_film(
            await self._send("POST", "/v1/videos", **film_request(prompt, picture, settings))
        )

    async def get(self, film: Film | str) -> Film:
        """A film as it is now."""
        return to_film(await self._send("GET", film_path(film)))

    async def films(self, limit: int = 20) -> AsyncIterator[Film]:
        """All films of this caller, the newest first, ``limit`` a request."""
        page = await self._send("GET", "/v1/videos", params=page_params(limit, None))
        while page["data"]:
            films, after = page["data"], page["last_id"] if page["has_more"] else None
            page = {"data": []}
            if after:  # fetched before these are handed out, as the caller may delete them
                page = await self._send("GET", "/v1/videos", params=page_params(limit, after))
            for resource in films:
                yield to_film(resource)

    async def watch(self, film: Film | str, previews: bool = False) -> AsyncIterator[Progress]:
        """Progress until a film ends; see `Client.watch`."""
        stream = EventStream()
        while not stream.ended:
            await asyncio.sleep(stream.pause)
            with stream.connection():
                async with self._http.stream("GET", **event_request(film, previews)) as got:
                    if not got.is_success:
                        await got.aread()
                        raise to_error(got)
                    async for line in got.aiter_lines():
                        for progress in stream.feed(line):
                            yield progress

    async def wait(self, film: Film | str) -> Film:
        """A film when it has ended."""
        async for _ in self.watch(film):
            pass
        return await self.get(film)

    async def download(
        self, film: Film | str, path: str | os.PathLike[str], variant: Variant = "video"
    ) -> Path:
        """Write a film, its poster or its sprite sheet to ``path``, whole or not at all."""
        target = Path(path)
        where = {"url": f"{film_path(film)}/content", "params": {"variant": variant}}
        async with self._http.stream("GET", **where) as got:  # type: ignore[arg-type]
            if not got.is_success:
                await got.aread()
                raise to_error(got)
            with whole_file(target) as file:
                async for chunk in got.aiter_bytes(CHUNK_BYTES):
                    file.write(chunk)
        return target

    async def cancel(self, film: Film | str) -> Film:
        """Stop a film; what there is of it is kept."""
        return to_film(await self._send("POST", f"{film_path(film)}/cancel"))

    async def remix(self, film: Film | str, prompt: str, seed: int | None = None) -> Film:
        """Submit the same film with another prompt, or other noise."""
        body = {"prompt": prompt} | ({} if seed is None else {"seed": seed})
        return to_film(await self._send("POST", f"{film_path(film)}/remix", json=body))

    async def enhance(self, film: Film | str, axes: Axes = "space") -> Film:
        """Submit the same film twice as large ("space"), at twice the rate ("time") or both."""
        body = {"enhance": axes}
        return to_film(await self._send("POST", f"{film_path(film)}/enhance", json=body))

    async def extend(self, film: Film | File, prompt: str, **settings: Any) -> Film:
        """Submit a film that goes on from another one, which was made there or is sent;
        ``seconds``, ``backward`` and the settings of `create`.
        """
        request = edit_request("/v1/videos/extensions", prompt, film, settings)
        return to_film(await self._send("POST", request.pop("url"), **request))

    async def edit(self, film: Film | File, prompt: str, **settings: Any) -> Film:
        """Submit a film that is made again from another one; ``task``, ``strength``, ``source``,
        ``box``, ``start``, ``end`` and the settings of `create`.
        """
        request = edit_request("/v1/videos/edits", prompt, film, settings)
        return to_film(await self._send("POST", request.pop("url"), **request))

    async def add_character(self, name: str, *pictures: File, **settings: Any) -> dict[str, Any]:
        """Remember what sentences may call by ``@name``; ``kind``, ``description``, ``consent``."""
        request = character_request(name, pictures, settings)
        return await self._send("POST", "/v1/videos/characters", **request)

    async def characters(self) -> list[dict[str, Any]]:
        """All that is remembered, as JSON."""
        return list((await self._send("GET", "/v1/videos/characters"))["data"])

    async def remove_character(self, name: str) -> None:
        """Forget a character, with all its pictures."""
        await self._send("DELETE", f"/v1/videos/characters/{name}")

    async def delete(self, film: Film | str) -> None:
        """Delete a film and its files; one that is being made is stopped."""
        await self._send("DELETE", film_path(film))

    async def models(self) -> list[dict[str, Any]]:
        """The models that are served, as JSON."""
        return list((await self._send("GET", "/v1/models"))["data"])

    async def detect(self, file: File, wait: bool = True) -> Check:
        """Ask whether a film was generated."""
        return await self._check("detect", file, wait)

    async def verify(self, file: File, wait: bool = True) -> Check:
        """Read the signature and the watermark of a film or picture."""
        return await self._check("verify", file, wait)

    async def get_check(self, check: Check) -> Check:
        """A detection or a verification as it is now."""
        return to_check(await self._send("GET", f"/v1/{check.kind}/{check.id}"))

    async def _check(self, kind: str, file: File, wait: bool) -> Check:
        check = to_check(await self._send("POST", f"/v1/{kind}", files={"file": to_upload(file)}))
        while wait and not check.ended:
            request = check_request(self._http.timeout)
            check = to_check(await self._send("GET", f"/v1/{kind}/{check.id}", **request))
        return check

    async def _send(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        answer = await self._http.request(method, path, **request)
        if not answer.is_success:
            raise to_error(answer)
        return dict(answer.json())
