"""Plain values, as JSON has them, read and made into configs: what is wrong is said in one line."""

import difflib
import json
from pathlib import Path
from typing import Final, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from praxino.errors import InputError, MediaError

T = TypeVar("T")
NAME_PATTERN: Final = r"[A-Za-z][A-Za-z0-9_]{1,31}"  # of entities


def parse_plain(adapter: TypeAdapter[T], tree: object, name: str, setting: str, hint: str) -> T:
    """A value from plain ones, some of which may be configs already.

    Parameters
    ----------
    name : str
        What an error calls it.
    setting : str
        The setting that it is of.

    Raises
    ------
    InputError
        For the first field that is wrong.
    """
    try:
        return adapter.validate_json(json.dumps(tree, default=_dumped))
    except ValidationError as error:
        problems = error.errors()
        unknown = [one for one in problems if one["type"] == "extra_forbidden"]
        first = (unknown or problems)[0]
        place = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ").removeprefix("Input ")
        if unknown:
            message, hint = "no such field", _near(adapter, str(first["loc"][-1])) or hint
        raise InputError(f"{name}: {place and place + ': '}{message}", hint, setting) from None
    except (TypeError, ValueError, RecursionError):
        raise InputError(f"{name} is no JSON", hint, setting) from None


def read_json(path: Path, most: int, hint: str) -> object:
    """What a JSON file of at most so many bytes says.

    Raises
    ------
    MediaError
        If there is no such file, or it cannot be read.
    InputError
        If it is no JSON, or longer.
    """
    try:
        size = path.stat().st_size
        content = path.read_bytes() if size <= most else b""
    except FileNotFoundError:
        raise MediaError(f"no such file: {path}", hint) from None
    except OSError as error:
        raise MediaError(f"cannot read {path}: {error.strerror}", "is it a file?") from None
    if size > most:
        raise InputError(f"{path} has {size} bytes: at most {most}", hint)
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise InputError(f"{path} is no JSON", hint) from None


def _near(adapter: TypeAdapter[T], field: str) -> str:
    """A hint at fields called much as an unknown one."""
    schema = adapter.json_schema()
    kinds = [schema, *schema.get("$defs", {}).values()]
    fields = {name for kind in kinds for name in kind.get("properties", ())}
    near = difflib.get_close_matches(field, sorted(fields), n=1)
    return f"did you mean {near[0]}?" if near else ""


def _dumped(value: object) -> object:
    if isinstance(value, BaseModel):
        return value.model_dump()
    raise TypeError(f"{type(value)} is no plain value")
