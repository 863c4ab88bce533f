"""Files that somebody wants looked at: was this generated (detect), and what does it say of itself (verify)?"""

from typing import Annotated, Final, Literal

from fastapi import APIRouter, Path, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from praxino.service.api import conversion, files, jobs, schemas, uploads
from praxino.service.api.auth import AppState, Caller, CallerDep, StateDep
from praxino.service.api.errors import ApiError, errors, files_of, sent
from praxino.service.queue.jobs import Job
from praxino.service.queue.retention import delete_input

router = APIRouter(prefix="/v1", tags=["checks"])

EVIDENCE: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'; form-action 'none'; sandbox"
)
"""Of a page of evidence: pictures that are inside it, and nothing else."""
Detection = Annotated[str, Path(examples=["detect_00000000000000000000000000000000"])]
Verification = Annotated[str, Path(examples=["verify_00000000000000000000000000000000"])]
Wait = Annotated[int, Query(ge=0, le=60, description="seconds to wait for the answer before saying how far it is")]


@router.post("/detect", openapi_extra=sent(form="FileForm"), responses=errors(408, 413, 415, 429, 507))
async def detect(request: Request, studio: StateDep, who: CallerDep, wait: Wait = 0) -> schemas.AnalysisResource:
    """Was this film generated? One calibrated probability, or why there is none, and the evidence."""
    return await _look(request, studio, who, "detect", wait)


@router.post("/verify", openapi_extra=sent(form="FileForm"), responses=errors(408, 413, 415, 429, 507))
async def verify(request: Request, studio: StateDep, who: CallerDep, wait: Wait = 0) -> schemas.AnalysisResource:
    """Who signed this film or picture, whether it is as it was then, and which mark it carries."""
    return await _look(request, studio, who, "verify", wait)


async def _look(
    request: Request, studio: AppState, who: Caller, kind: Literal["detect", "verify"], wait: int
) -> schemas.AnalysisResource:
    await jobs.allowed(studio, who)
    async with uploads.form(request, "file") as (values, file):
        asked = uploads.checked(schemas.FileForm, {**values, "file": ""}, strict=False)
        order = {"name": file.name}
        priority = conversion.priority(asked.priority, who)
        job = await run_in_threadpool(jobs.submit, studio, who, kind, order, file, priority=priority)
    return await _answer(studio, job, wait)


async def _answer(studio: AppState, job: Job, wait: int) -> schemas.AnalysisResource:
    """How far it is, after waiting for its end for so many seconds."""
    found = await jobs.waited(studio, job, wait)
    if found is None:
        raise ApiError(404, "it was deleted meanwhile", "not_found")
    return schemas.check(found, await run_in_threadpool(jobs.position, studio, found))


@router.get("/detect/{id}", responses=errors(404))
async def detection(id: Detection, studio: StateDep, who: CallerDep, wait: Wait = 0) -> schemas.AnalysisResource:  # noqa: A002
    """A detection, as far as it is."""
    return await _answer(studio, await jobs.found(studio, who, id, "detect"), wait)


@router.get("/verify/{id}", responses=errors(404))
async def verification(id: Verification, studio: StateDep, who: CallerDep, wait: Wait = 0) -> schemas.AnalysisResource:  # noqa: A002
    """A verification, as far as it is."""
    return await _answer(studio, await jobs.found(studio, who, id, "verify"), wait)


@router.delete("/detect/{id}", responses=errors(404))
def delete_detection(id: Detection, studio: StateDep, who: CallerDep) -> schemas.Deleted:  # noqa: A002
    """Delete a detection with the file that it looked at."""
    return _delete(studio, jobs.owned(studio, who, id, "detect"))


@router.delete("/verify/{id}", responses=errors(404))
def delete_verification(id: Verification, studio: StateDep, who: CallerDep) -> schemas.Deleted:  # noqa: A002
    """Delete a verification with the file that it looked at."""
    return _delete(studio, jobs.owned(studio, who, id, "verify"))


def _delete(studio: AppState, job: Job) -> schemas.Deleted:
    if not delete_input(studio.store, studio.objects, job):
        raise ApiError(404, f"there is no {job.kind} of that id", "not_found")
    return schemas.Deleted(id=job.id, object=f"{job.kind}.deleted")


@router.get(
    "/detect/{id}/page",
    response_class=Response,
    responses=files_of("The page", "text/html") | errors(404, 409, 416),
)
async def evidence(id: Detection, request: Request, studio: StateDep, who: CallerDep) -> Response:  # noqa: A002
    """The evidence of a detection, drawn on the frames: one page without scripts or requests."""
    job = await jobs.found(studio, who, id, "detect")
    if "page" not in job.result.get("files", {}):
        raise ApiError(404 if job.ended else 409, f"{job.id} is {job.status}: there is no page", "not_ready")
    headers = {"Content-Security-Policy": EVIDENCE, "X-Frame-Options": "SAMEORIGIN"}
    return await files.content(request, studio.objects, job.file("report.html"), job.id, **headers)
