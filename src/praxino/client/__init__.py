"""A client of `praxino serve`: make, watch, download, stop and delete films, and check files.

It needs httpx and nothing else of Praxino (``pip install "praxino[client]"``). `Client` blocks,
`AsyncClient` has the same methods as coroutines::

    with Client() as client:
        film = client.create("a red ball bounces on the grass", seconds=2, seed=3)
        for progress in client.watch(film):
            print(progress.percent)
        client.download(film, "film.mp4")

`blocking` and `asynchronous` hold the clients, `wire` what they send and get.
"""

from praxino.client.asynchronous import AsyncClient
from praxino.client.blocking import Client
from praxino.client.wire import URL, Check, Film, Progress, ServerError

__all__ = ["URL", "AsyncClient", "Check", "Client", "Film", "Progress", "ServerError"]
