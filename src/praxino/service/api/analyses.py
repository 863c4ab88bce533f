"""Files to look at: was this generated (detect), and what do its signature and mark say
(verify)?
"""

from typing import Annotated, Final, Literal

from fastapi import APIRouter, Path, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from praxino.service.api import bodies, conversion, files, jobs, schemas, uploads
from praxino.service.api.auth import AppState, CallerDep, StateDep
from praxino.service.api.errors import ApiError, errors, files_of, sent
from praxino.service.queue.jobs import AnalysisRequest, Job
from praxino.service.queue.quotas import Caller
from praxino.service.queue.submission import submit

router = APIRouter(prefix="/v1", tags=["checks"])

EVIDENCE_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'; "
    "form-action 'none'; sandbox"
)
"""Content-Security-Policy of a page of evidence: it shows the pictures inside it, and loads
nothing.
"""
DetectionId = Annotated[str, Path(examples=["detect_00000000000000000000000000000000"])]
VerificationId = Annotated[str, Path(examples=["verify_00000000000000000000000000000000"])]
Wait = Annotated[
    int,
    Query(ge=0, le=60, description="seconds to wait for the answer before saying how far it is"),
]


@router.post(
    "/detect", openapi_extra=sent(form="FileForm"), responses=errors(408, 413, 415, 429, 507)
)
async def detect(
    request: Request, state: StateDep, caller: CallerDep, wait: Wait = 0
) -> schemas.AnalysisResource:
    """Was this film generated? One calibrated probability, or why there is none, and the
    evidence.
    """
    return await _submit(request, state, caller, "detect", wait)


@router.post(
    "/verify", openapi_extra=sent(form="FileForm"), responses=errors(408, 413, 415, 429, 507)
)
async def verify(
    request: Request, state: StateDep, caller: CallerDep, wait: Wait = 0
) -> schemas.AnalysisResource:
    """Who signed this film or picture, whether it was changed since, and which mark it carries."""
    return await _submit(request, state, caller, "verify", wait)


async def _submit(
    request: Request, state: AppState, caller: Caller, kind: Literal["detect", "verify"], wait: int
) -> schemas.AnalysisResource:
    await jobs.require_quota(state, caller)
    async with uploads.form(request, "file") as (values, file):
        body = uploads.validate(bodies.FileForm, {**values, "file": ""}, strict=False)
        order, priority = (
            AnalysisRequest(name=file.name),
            conversion.to_priority(body.priority, caller),
        )
        job = await run_in_threadpool(
            submit, state.store, state.objects, caller, kind, order, file.named(), priority=priority
        )
    return await _wait_for(state, job, wait)


async def _wait_for(state: AppState, job: Job, wait: int) -> schemas.AnalysisResource:
    """An analysis when it has ended, or as it is after so many seconds."""
    return schemas.to_analysis_resource(*await jobs.latest(state, job, wait))


@router.get("/detect/{id}", responses=errors(404))
async def detection(
    id: DetectionId,  # noqa: A002
    state: StateDep,
    caller: CallerDep,
    wait: Wait = 0,
) -> schemas.AnalysisResource:
    """A detection, as far as it is."""
    return await _wait_for(state, await jobs.fetch_async(state, caller, id, "detect"), wait)


@router.get("/verify/{id}", responses=errors(404))
async def verification(
    id: VerificationId,  # noqa: A002
    state: StateDep,
    caller: CallerDep,
    wait: Wait = 0,
) -> schemas.AnalysisResource:
    """A verification, as far as it is."""
    return await _wait_for(state, await jobs.fetch_async(state, caller, id, "verify"), wait)


@router.delete("/detect/{id}", responses=errors(404))
def delete_detection(id: DetectionId, state: StateDep, caller: CallerDep) -> schemas.Deleted:  # noqa: A002
    """Delete a detection with the file that it looked at."""
    return jobs.delete(state, jobs.fetch(state, caller, id, "detect"))


@router.delete("/verify/{id}", responses=errors(404))
def delete_verification(id: VerificationId, state: StateDep, caller: CallerDep) -> schemas.Deleted:  # noqa: A002
    """Delete a verification with the file that it looked at."""
    return jobs.delete(state, jobs.fetch(state, caller, id, "verify"))


@router.get(
    "/detect/{id}/page",
    response_class=Response,
    responses=files_of("The page", "text/html") | errors(404, 409, 416),
)
async def evidence(
    id: DetectionId,  # noqa: A002
    request: Request,
    state: StateDep,
    caller: CallerDep,
) -> Response:
    """The evidence of a detection, drawn on the frames: one page without scripts or requests."""
    job = await jobs.fetch_async(state, caller, id, "detect")
    if "page" not in job.result.files:
        raise ApiError(
            404 if job.ended else 409, f"{job.id} is {job.status}: there is no page", "not_ready"
        )
    headers = {"Content-Security-Policy": EVIDENCE_POLICY, "X-Frame-Options": "SAMEORIGIN"}
    return await files.send(
        request, state.objects, job.file(job.result.files["page"]), job.id, **headers
    )
