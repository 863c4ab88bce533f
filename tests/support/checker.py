"""The run-time checker that the tests switch on: tensors have the shapes and types they are
annotated with.

Only functions whose annotations name dimensions are checked: the rest is mypy's, and checking
everything at run time takes a third of all tests' time. An int will do where a float is asked for
(PEP 484).
"""

import functools
import inspect
import typing
from collections.abc import Callable
from typing import Any

import jaxtyping
from beartype import BeartypeConf, beartype

checked = beartype(conf=BeartypeConf(is_pep484_tower=True))
_jaxtyped = jaxtyping.jaxtyped
ARRAYS = ("Float[", "Int[", "Bool[", "UInt8[", "Shaped[", "Num[")


def _names_dimensions(annotation: Any) -> bool:
    if isinstance(annotation, str):
        return any(name in annotation for name in ARRAYS)
    if isinstance(annotation, type) and issubclass(annotation, jaxtyping.AbstractArray):
        return True
    return any(map(_names_dimensions, typing.get_args(annotation)))


def _checked_where_needed(target: Any, typechecker: Any) -> Any:
    annotations = (
        target.__annotations__
        if inspect.isfunction(target)
        else vars(target).get("__annotations__", {})
    )
    if any(map(_names_dimensions, annotations.values())):
        return _jaxtyped(target, typechecker=typechecker)
    return target


def install() -> None:
    """Check the package's functions; to be called before the first import of it."""

    def jaxtyped(target: Any = None, *, typechecker: Any = None) -> Callable[..., Any]:
        if target is None:
            return functools.partial(_checked_where_needed, typechecker=typechecker)
        return _checked_where_needed(target, typechecker)

    jaxtyping.jaxtyped = jaxtyped  # the import hook writes decorators of this name into the modules
    jaxtyping.install_import_hook("praxino", f"{__name__}.checked")
