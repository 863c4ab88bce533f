"""Films and pictures of other programs that are declared as generated: sent here, stamped, and
fetched again.
"""

from typing import Annotated, Final, Literal

from fastapi import APIRouter, Path, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from praxino.service.api import bodies, conversion, files, jobs, schemas, uploads
from praxino.service.api.auth import CallerDep, StateDep
from praxino.service.api.errors import ApiError, errors, files_of, sent
from praxino.service.queue.jobs import StampRequest
from praxino.service.queue.submission import submit

router = APIRouter(prefix="/v1/stamp", tags=["checks"])

VARIANTS: Final = {"file": "content", "credentials": "credentials"}
StampId = Annotated[str, Path(examples=["stamp_00000000000000000000000000000000"])]
Wait = Annotated[
    int,
    Query(ge=0, le=60, description="seconds to wait for the file before saying how far it is"),
]


@router.post("", openapi_extra=sent(form="StampForm"), responses=errors(408, 413, 415, 429, 507))
async def stamp(
    request: Request, state: StateDep, caller: CallerDep, wait: Wait = 0
) -> schemas.StampResource:
    """Declare that a film or picture was generated: a mark in its pixels, and a signature."""
    await jobs.require_quota(state, caller)
    async with uploads.form(request, "file") as (values, file):
        body = uploads.validate(bodies.StampForm, {**values, "file": ""}, strict=False)
        order = StampRequest(
            name=file.name,
            model=body.model,
            prompt=body.prompt,
            by=body.by,
            edited=body.edited == "true",
            state_prompt=body.state_prompt == "true",
            credentials=body.credentials == "true",
        )
        priority = conversion.to_priority(body.priority, caller)
        job = await run_in_threadpool(
            submit,
            state.store,
            state.objects,
            caller,
            "stamp",
            order,
            file.named(),
            priority=priority,
        )
    return schemas.to_stamp_resource(*await jobs.latest(state, job, wait))


@router.get("/{id}", responses=errors(404))
async def retrieve_stamp(
    id: StampId,  # noqa: A002
    state: StateDep,
    caller: CallerDep,
    wait: Wait = 0,
) -> schemas.StampResource:
    """A stamp, as far as it is."""
    job = await jobs.fetch_async(state, caller, id, "stamp")
    return schemas.to_stamp_resource(*await jobs.latest(state, job, wait))


@router.get(
    "/{id}/content",
    response_class=Response,
    responses=files_of("The file", *files.MEDIA_TYPES.values()) | errors(404, 409, 416),
)
async def content(
    id: StampId,  # noqa: A002
    request: Request,
    state: StateDep,
    caller: CallerDep,
    variant: Literal["file", "credentials"] = "file",
) -> Response:
    """The stamped file; or its statements, where its format has no room for them."""
    job = await jobs.fetch_async(state, caller, id, "stamp")
    name = job.result.files.get(VARIANTS[variant])
    if name is None and not job.ended:
        raise ApiError(409, f"{job.id} is {job.status}: it has no content yet", "not_ready")
    if name is None:
        raise ApiError(404, f"{job.id} is {job.status}: it has no {variant}", "no_content")
    return await files.send(request, state.objects, job.file(name), job.id)


@router.delete("/{id}", responses=errors(404))
def delete(id: StampId, state: StateDep, caller: CallerDep) -> schemas.Deleted:  # noqa: A002
    """Delete a stamp with its files."""
    return jobs.delete(state, jobs.fetch(state, caller, id, "stamp"))
