"""Reading JSON bodies: bounded, without coercion, and never with a text that no column can hold."""

import json
import re
from collections.abc import Iterator
from typing import Any, Final, TypeVar

import msgspec
from litestar.connection import Request
from litestar.datastructures import State

from assistant.errors import BadRequestError, InvalidError, UnsupportedError

MAX_DEPTH: Final = 64
MAX_ITEMS: Final = 1_000
"""Of one list or object in a body; a route may allow more by `opt={"max_items": …}`."""

T = TypeVar("T")


class StrictRequest(Request[Any, Any, State]):
    """Reads JSON without coercion: a number in quotes is no number. Bounds it, and refuses what no column can hold."""

    async def json(self) -> Any:
        """The body as the type that the handler's `data` has, or as plain values where it has none.

        Raises BadRequestError (not JSON), UnsupportedError (another format), InvalidError with the field's path.
        """
        media_type, _ = self.content_type
        if media_type and media_type != "application/json" and not media_type.endswith("+json"):
            raise UnsupportedError("This endpoint takes JSON: send it with Content-Type: application/json.")
        handler = self.route_handler
        value = read_json(await self.body(), max_items=handler.opt.get("max_items", MAX_ITEMS))
        field = handler.parsed_data_field
        return value if field is None else strictly(value, field.annotation)


def read_json(body: bytes, *, max_items: int = MAX_ITEMS) -> Any:
    """Plain values from JSON text. Raises BadRequestError, or InvalidError with the path of the value at fault."""
    try:
        value = msgspec.json.decode(body)
    except RecursionError:
        raise BadRequestError(f"The body is nested deeper than {MAX_DEPTH} levels.") from None
    except ValueError as exc:
        if (path := _lone_surrogate(body)) is not None:
            raise InvalidError("The text holds half of a surrogate pair, which is no character.", path=path) from exc
        raise BadRequestError("The body is not valid JSON.") from exc
    _check(value, "", 0, max_items)
    return value


def strictly(value: Any, type_: type[T]) -> T:
    """`value` as `type_`, nothing coerced. Raises InvalidError with the field's path."""
    try:
        return msgspec.convert(value, type_)
    except msgspec.ValidationError as exc:
        path, message = explain(str(exc))
        raise InvalidError(message, path=path) from exc


def _check(value: Any, path: str, depth: int, max_items: int) -> None:
    if isinstance(value, str):
        if "\0" in value:
            raise InvalidError("The text holds a NUL character, which cannot be stored.", path=path)
        return
    if not isinstance(value, list | dict):
        return
    if depth == MAX_DEPTH:
        raise BadRequestError(f"The body is nested deeper than {MAX_DEPTH} levels.")
    if len(value) > max_items:
        raise InvalidError(f"At most {max_items} entries are allowed.", path=path)
    for step, entry in _entries(value):
        if "\0" in step:
            raise InvalidError("A name holds a NUL character, which cannot be stored.", path=path)
        _check(entry, f"{path}{step}" if path or step.startswith("[") else step[1:], depth + 1, max_items)


def _entries(value: list[Any] | dict[str, Any]) -> Iterator[tuple[str, Any]]:
    if isinstance(value, list):
        return ((f"[{index}]", entry) for index, entry in enumerate(value))
    return ((f".{key}", entry) for key, entry in value.items())


_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def _lone_surrogate(body: bytes) -> str | None:
    """Where a text of well-formed JSON holds half of a surrogate pair; None where that is not what is wrong."""
    if not _SURROGATE.search(body):
        return None
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return _find_surrogate(value, "")


def _find_surrogate(value: Any, path: str) -> str | None:
    if isinstance(value, str):
        return path if any("\ud800" <= letter <= "\udfff" for letter in value) else None
    if isinstance(value, list | dict):
        for step, entry in _entries(value):
            found = _find_surrogate(step, path) or _find_surrogate(entry, f"{path}{step}".lstrip("."))
            if found is not None:
                return found
    return None


_AT = re.compile(r"^(?P<message>.*?)(?: - at `(?P<path>[^`]*)`)?$", re.DOTALL)
_SENTENCES = [
    (re.compile(pattern, re.DOTALL), sentence)
    for pattern, sentence in (
        (r"Expected `str` matching regex .*", "This is not spelled as it must be."),
        (r"Expected `str` of length >= 1", "This must not be empty."),
        (r"Expected `str` of length >= (\d+)", r"This must have at least \1 characters."),
        (r"Expected `str` of length <= (\d+)", r"This must have at most \1 characters."),
        (r"Expected `\w+` of length <= (\d+)", r"This must have at most \1 entries."),
        (r"Expected `(?:int|float)` >= (\S+)", r"This must be at least \1."),
        (r"Expected `(?:int|float)` <= (\S+)", r"This must be at most \1."),
        (r"Expected `datetime` with a timezone component", "This needs its offset from UTC, such as Z."),
        (r"Invalid RFC3339 encoded datetime", "This must be a moment such as 2026-11-24T18:00:00Z."),
        (r"Invalid UUID", "This must be a UUID."),
        (r"Expected `str(?: \| null)?`, got `\w+`", "This must be a text."),
        (r"Expected `int(?: \| null)?`, got `\w+`", "This must be a whole number."),
        (r"Expected `bool`, got `\w+`", "This must be true or false."),
        (r"Expected `object(?: \| null)?`, got `\w+`", "This must be an object."),
        (r"Expected `array(?: \| null)?`, got `\w+`", "This must be a list."),
        (r"Invalid enum value .*", "This is not one of the values that are allowed."),
    )
]
"""What msgspec says to developers, for people."""

_FIELD = re.compile(r"^Object (?P<fault>missing required|contains unknown) field `(?P<name>[^`]*)`$")


def explain(error: str) -> tuple[str, str]:
    """A field's path and a sentence, from msgspec's message."""
    match = _AT.match(error)
    assert match is not None
    message, path = match["message"], (match["path"] or "").removeprefix("$").removeprefix(".")
    if (field := _FIELD.match(message)) is not None:
        path = f"{path}.{field['name']}".lstrip(".")
        known = {"missing required": "This field is required.", "contains unknown": "This field is unknown here."}
        return path, known[field["fault"]]
    for pattern, sentence in _SENTENCES:
        if (found := pattern.fullmatch(message)) is not None:
            return path, found.expand(sentence)
    return path, f"{message.replace('`', '')[:200]}."
