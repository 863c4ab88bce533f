"""Short sentences made long ones, to be read and changed before a film is made of them."""

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool

from praxino.generation.caption import recaption
from praxino.generation.spoken import spoken
from praxino.request import complete
from praxino.service.api import bodies, references, schemas, uploads
from praxino.service.api.auth import AppState, CallerDep, StateDep
from praxino.service.api.errors import errors, sent
from praxino.service.queue.models import find_card
from praxino.service.queue.quotas import Caller

router = APIRouter(prefix="/v1/captions", tags=["videos"])


@router.post("", openapi_extra=sent("CaptionCreate"), responses=errors(404, 408, 413, 415))
async def create(request: Request, state: StateDep, caller: CallerDep) -> schemas.Caption:
    """Write a longer sentence; nothing is made."""
    body = await uploads.json_body(request, bodies.CaptionCreate)
    return await run_in_threadpool(_create, state, caller, body)


def _create(state: AppState, caller: Caller, body: bodies.CaptionCreate) -> schemas.Caption:
    card = find_card(state.store, body.model, state.default)
    entities = references.memory_of(state, caller).resolve(body.prompt)
    settings = {
        "prompt": body.prompt,
        "references": entities,
        "recaption": body.recaption,
        "seed": body.seed,
    }
    order, notes = complete(card, settings)
    meaning = spoken(body.prompt, entities)
    longer, more = recaption(order, card, meaning, lambda _: None)
    return schemas.Caption(prompt=body.prompt, prompt_used=longer, notes=[*notes, *more])
