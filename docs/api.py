"""Write docs/api.md from the docstrings of the public names: ``python docs/api.py``."""

import inspect
import re
from pathlib import Path
from typing import Any, Final

import praxino
import praxino.client

TARGET: Final = Path(__file__).with_name("api.md")
HEAD: Final = """# API

Written by `python docs/api.py` from the docstrings; a test holds it against them.

"""


def document() -> str:
    """The page."""
    modules = {
        "praxino": (praxino, praxino.__all__),
        "praxino.client": (praxino.client, praxino.client.__all__),
    }
    parts = [HEAD]
    for title, (module, names) in modules.items():
        parts.append(f"## `{title}`\n\n{text_of(module)}\n")
        for name in names:
            value = getattr(module, name)
            if callable(value):
                parts.append(section(name, value))
    return "\n".join(parts).rstrip() + "\n"


def section(name: str, value: Any, level: int = 3) -> str:
    """A function, or a class with its public methods."""
    parts = [f"{'#' * level} `{name}`\n", f"```python\n{name}{signature(value)}\n```\n"]
    if text := text_of(value):
        parts.append(f"{text}\n")
    if inspect.isclass(value) and not issubclass(value, BaseException):
        for method, function in vars(value).items():
            if not method.startswith("_") and inspect.isfunction(function) and function.__doc__:
                parts.append(section(f"{name}.{method}", function, level + 1))
    return "\n".join(parts)


def signature(value: Any) -> str:
    """Parameters as they are written; addresses and modules of this package left out."""
    try:
        text = str(inspect.signature(value))
    except (TypeError, ValueError):
        return "(...)"
    text = re.sub(r"\bself(, )?", "", text)
    text = re.sub(r"\*<class '(\w+)'>", r"Unpack[\1]", re.sub(r"praxino\.(?:\w+\.)*", "", text))
    text = re.sub(r"Provenance\(watermark=[^)]*\)", "STANDARD", text)
    return re.sub(r"\b(?:pathlib|numpy|collections|typing)\.(?:[a-z_]+\.)*", "", text)


def text_of(value: Any) -> str:
    """A docstring with numpydoc's headings in bold and its roles as code."""
    text = inspect.getdoc(value) or ""
    text = re.sub(r"^(\w[\w ]*)\n-{3,}$", r"\n**\1**\n", text, flags=re.M)
    text = re.sub(r"``([^`]+)``", r"`\1`", text)
    text = re.sub(r"^(\*{0,2}[\w, *]+) : (.+)$", r"- `\1`: \2", text, flags=re.M)
    text = re.sub(r"^(\*{0,2}\w+)\n(?= {4}\S)", r"- `\1`\n", text, flags=re.M)
    return re.sub(r"^( {4})(\S)", r"  \2", text, flags=re.M).strip()


if __name__ == "__main__":
    TARGET.write_text(document())
