"""The models that workers serve, by the cards that workers announce."""

from praxino.cards import ModelCard
from praxino.errors import NoWorkerError, UnknownNameError
from praxino.service.queue.store import Store


def served_models(store: Store) -> list[tuple[bool, ModelCard]]:
    """Each model of the last day's workers once, with whether a living worker has it; those come
    first.
    """
    by_id: dict[str, tuple[bool, ModelCard]] = {}
    for alive, worker in store.workers():
        for card in worker.models:
            if card.id not in by_id or (alive and not by_id[card.id][0]):
                by_id[card.id] = (alive, card)
    return sorted(by_id.values(), key=lambda entry: (not entry[0], entry[1].id))


def find_card(store: Store, name: str | None, default: str | None) -> ModelCard:
    """The card of the model of that name; without a name, of the default one, or of the first.

    Raises
    ------
    NoWorkerError
        If no worker has come up yet, or none has the default model.
    UnknownNameError
        If no worker has a model of that name.
    """
    by_id = {card.id: card for _, card in served_models(store)}
    if not by_id:
        raise NoWorkerError("no worker has come up yet: try again soon")
    if name is not None:
        if name not in by_id:
            raise UnknownNameError("model", name, by_id)
        return by_id[name]
    if default is None:
        return next(iter(by_id.values()))
    if default not in by_id:
        raise NoWorkerError(
            f"no worker has the model {default!r}: ask for another by its name, {', '.join(by_id)}"
        )
    return by_id[default]
