"""Requests, counted and timed; jobs and workers as they are when somebody looks. For Prometheus."""

import time
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from praxino.service.api.auth import AppState

METHODS: Final = frozenset(("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))


class Metrics:
    """Counts requests, around the app; what the jobs are is asked of the database when somebody
    looks.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.registry = CollectorRegistry()
        labels = ("method", "route", "status")
        self.requests = Counter("praxino_requests", "Requests.", labels, registry=self.registry)
        self.seconds = Histogram(
            "praxino_request_seconds",
            "Until the answer began.",
            ("method", "route"),
            registry=self.registry,
        )
        self.jobs = Gauge(
            "praxino_jobs", "Jobs by kind and state.", ("kind", "status"), registry=self.registry
        )
        self.waiting = Gauge(
            "praxino_queue_seconds", "That the oldest job has waited.", registry=self.registry
        )
        self.workers = Gauge("praxino_workers", "Workers that live.", registry=self.registry)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun = time.perf_counter()
        scope["praxino.metrics"] = self

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                # never the path itself: clients choose those
                route = getattr(scope.get("route"), "path", "other")
                method = scope["method"] if scope["method"] in METHODS else "other"
                self.requests.labels(method, route, str(message["status"])).inc()
                self.seconds.labels(method, route).observe(time.perf_counter() - begun)
            await send(message)

        await self.app(scope, receive, counted)

    def text(self, state: AppState) -> bytes:
        """All metrics in the text format of Prometheus; jobs and workers are counted now."""
        self.jobs.clear()
        for (kind, status), count in state.store.counts().items():
            self.jobs.labels(kind, status).set(count)
        self.waiting.set(state.store.waiting())
        self.workers.set(sum(alive for alive, _ in state.store.workers()))
        return generate_latest(self.registry)
