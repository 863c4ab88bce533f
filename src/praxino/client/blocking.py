"""The client that blocks."""

import os
import time
from collections.abc import Iterator
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


class Client:
    """A server's API.

    Parameters
    ----------
    url : str
        Address of the server.
    key : str, optional
        An API key; by default that in ``PRAXINO_API_KEY``. A server that is open to its own machine
        needs none.
    timeout : float
        Seconds that an answer may take.
    transport : optional
        Of httpx, for tests and proxies.

    Raises
    ------
    ServerError
        From every method, where the server refuses.
    """

    def __init__(
        self,
        url: str = URL,
        key: str | None = None,
        timeout: float = 120.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._http = httpx.Client(
            base_url=url, headers=auth_headers(key), timeout=timeout, transport=transport
        )

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def create(self, prompt: str, picture: File | None = None, **settings: Any) -> Film:
        """Submit a film.

        Parameters
        ----------
        picture : path or bytes, optional
            What it begins with: PNG, JPEG, WebP, HEIC, AVIF, GIF, TIFF or BMP.
        **settings
            ``seconds`` or ``num_frames``, ``size`` ("WIDTHxHEIGHT"), ``fps``, ``seed``, ``model``,
            ``num_inference_steps``, ``guidance_scale``, ``negative_prompt``, ``flow_shift``,
            ``priority``, and ``sampler``, ``rescale``, ``interval``, ``cache``, ``noise_mark``.
        """
        return to_film(self._send("POST", "/v1/videos", **film_request(prompt, picture, settings)))

    def get(self, film: Film | str) -> Film:
        """A film as it is now."""
        return to_film(self._send("GET", film_path(film)))

    def films(self, limit: int = 20) -> Iterator[Film]:
        """All films of this caller, the newest first, ``limit`` a request."""
        page = self._send("GET", "/v1/videos", params=page_params(limit, None))
        while page["data"]:
            films, after = page["data"], page["last_id"] if page["has_more"] else None
            page = {"data": []}
            if after:  # fetched before these are handed out, as the caller may delete them
                page = self._send("GET", "/v1/videos", params=page_params(limit, after))
            for resource in films:
                yield to_film(resource)

    def watch(self, film: Film | str, previews: bool = False) -> Iterator[Progress]:
        """Progress until a film ends; a cut connection is opened again.

        Parameters
        ----------
        previews : bool
            Let the worker make previews, which takes up to a fifth of its time.
        """
        stream = EventStream()
        while not stream.ended:
            time.sleep(stream.pause)
            with (
                stream.connection(),
                self._http.stream("GET", **event_request(film, previews)) as got,
            ):
                if not got.is_success:
                    got.read()
                    raise to_error(got)
                for line in got.iter_lines():
                    yield from stream.feed(line)

    def wait(self, film: Film | str) -> Film:
        """A film when it has ended."""
        for _ in self.watch(film):
            pass
        return self.get(film)

    def download(
        self, film: Film | str, path: str | os.PathLike[str], variant: Variant = "video"
    ) -> Path:
        """Write a film, its poster or its sprite sheet to ``path``, whole or not at all."""
        target = Path(path)
        with self._http.stream(
            "GET", f"{film_path(film)}/content", params={"variant": variant}
        ) as got:
            if not got.is_success:
                got.read()
                raise to_error(got)
            with whole_file(target) as file:
                for chunk in got.iter_bytes(CHUNK_BYTES):
                    file.write(chunk)
        return target

    def cancel(self, film: Film | str) -> Film:
        """Stop a film; what there is of it is kept."""
        return to_film(self._send("POST", f"{film_path(film)}/cancel"))

    def remix(self, film: Film | str, prompt: str, seed: int | None = None) -> Film:
        """Submit the same film with another prompt, or other noise."""
        body = {"prompt": prompt} | ({} if seed is None else {"seed": seed})
        return to_film(self._send("POST", f"{film_path(film)}/remix", json=body))

    def enhance(self, film: Film | str, axes: Axes = "space") -> Film:
        """Submit the same film twice as large ("space"), at twice the rate ("time") or both."""
        return to_film(self._send("POST", f"{film_path(film)}/enhance", json={"enhance": axes}))

    def extend(self, film: Film | File, prompt: str, **settings: Any) -> Film:
        """Submit a film that goes on from another one, which was made there or is sent;
        ``seconds``, ``backward`` and the settings of `create`.
        """
        request = edit_request("/v1/videos/extensions", prompt, film, settings)
        return to_film(self._send("POST", request.pop("url"), **request))

    def edit(self, film: Film | File, prompt: str, **settings: Any) -> Film:
        """Submit a film that is made again from another one; ``task``, ``strength``, ``source``,
        ``box``, ``start``, ``end`` and the settings of `create`.
        """
        request = edit_request("/v1/videos/edits", prompt, film, settings)
        return to_film(self._send("POST", request.pop("url"), **request))

    def add_character(self, name: str, *pictures: File, **settings: Any) -> dict[str, Any]:
        """Remember what sentences may call by ``@name``; ``kind``, ``description``, ``consent``."""
        request = character_request(name, pictures, settings)
        return self._send("POST", "/v1/videos/characters", **request)

    def characters(self) -> list[dict[str, Any]]:
        """All that is remembered, as JSON."""
        return list((self._send("GET", "/v1/videos/characters"))["data"])

    def remove_character(self, name: str) -> None:
        """Forget a character, with all its pictures."""
        self._send("DELETE", f"/v1/videos/characters/{name}")

    def delete(self, film: Film | str) -> None:
        """Delete a film and its files; one that is being made is stopped."""
        self._send("DELETE", film_path(film))

    def models(self) -> list[dict[str, Any]]:
        """The models that are served, as JSON."""
        return list(self._send("GET", "/v1/models")["data"])

    def detect(self, file: File, wait: bool = True) -> Check:
        """Ask whether a film was generated."""
        return self._check("detect", file, wait)

    def verify(self, file: File, wait: bool = True) -> Check:
        """Read the signature and the watermark of a film or picture."""
        return self._check("verify", file, wait)

    def get_check(self, check: Check) -> Check:
        """A detection or a verification as it is now."""
        return to_check(self._send("GET", f"/v1/{check.kind}/{check.id}"))

    def _check(self, kind: str, file: File, wait: bool) -> Check:
        check = to_check(self._send("POST", f"/v1/{kind}", files={"file": to_upload(file)}))
        while wait and not check.ended:
            request = check_request(self._http.timeout)
            check = to_check(self._send("GET", f"/v1/{kind}/{check.id}", **request))
        return check

    def _send(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        answer = self._http.request(method, path, **request)
        if not answer.is_success:
            raise to_error(answer)
        return dict(answer.json())
