"""A space's `ai_mentor_config`: strict when it is written, forgiving when it is read."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType
from typing import Any, Final, Literal, Self

import structlog
from jsonschema import Draft202012Validator, ValidationError
from jsonschema.exceptions import best_match

from assistant.errors import InvalidError
from assistant.resources import resource_dir

log = structlog.get_logger(__name__)

COLUMN: Final = "ai_mentor_config"

MAX_BYTES: Final = 16 * 1024
"""As the database counts: in UTF-8, with a space after each comma and colon."""

ToolPolicy = Literal["auto", "ask", "off"]
Grounding = Literal["strict", "open"]


@dataclass(frozen=True, slots=True)
class MentorConfig:
    """What the mentor goes by. None: the owner said nothing."""

    type: str = "default"
    personality: str | None = "helpful"
    expertise: tuple[str, ...] = ()
    name: str | None = None
    language: str | None = None
    tone: str | None = None
    instructions: str | None = None
    model: str | None = None
    grounding: Grounding = "open"
    greeting: str | None = None
    suggested_prompts: tuple[str, ...] = ()
    tools: Mapping[str, ToolPolicy] = field(default_factory=lambda: MappingProxyType({}))

    @classmethod
    def parse(cls, raw: object) -> Self:
        """From what is stored, which other programs write, too: a value that is wrong counts as not said, and is named
        in the log."""
        said = raw if isinstance(raw, Mapping) else {}
        good: dict[str, Any] = {
            name: said[name] for name in _properties() if name in said and _is_good(name, said[name])
        }
        if wrong := [name for name in _properties() if name in said and name not in good]:
            log.info("mentor_config_misread", fields=wrong)
        tools = said.get("tools")
        if isinstance(tools, Mapping):
            good["tools"] = MappingProxyType(
                {tool: way for tool, way in tools.items() if way in ("auto", "ask", "off")}
            )
        for name in ("expertise", "suggested_prompts"):
            if name in good:
                good[name] = tuple(good[name])
        return cls(**good)


def validate_config(value: object) -> None:
    """Raises InvalidError, with a path such as `ai_mentor_config.tools.create_task`."""
    size = len(json.dumps(value, ensure_ascii=False).encode())
    if size > MAX_BYTES:
        raise InvalidError(f"The configuration may have {MAX_BYTES} bytes as JSON; this one has {size}.", path=COLUMN)
    error = best_match(_validator().iter_errors(value))
    if error is not None:
        raise InvalidError(_sentence(error), path=_path(error))


@cache
def _schema() -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((resource_dir("prompts") / "mentor" / "config.schema.json").read_bytes())
    return schema


def _properties() -> dict[str, Any]:
    properties: dict[str, Any] = _schema()["properties"]
    return properties


@cache
def _validator() -> Draft202012Validator:
    return Draft202012Validator(_schema())


@cache
def _property_validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(_properties()[name])


def _is_good(name: str, value: object) -> bool:
    return _property_validator(name).is_valid(value)


_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")


def _path(error: ValidationError) -> str:
    steps = [f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.absolute_path]
    if _is_about_a_name(error) and _NAME.fullmatch(str(error.instance)):  # else it would be no path
        steps.append(f".{error.instance}")
    return f"{COLUMN}{''.join(steps)}"


def _is_about_a_name(error: ValidationError) -> bool:
    return "propertyNames" in error.absolute_schema_path


def _sentence(error: ValidationError) -> str:
    """In our words: the library's repeat the value, which may be long."""
    rule: Any = error.validator_value
    match error.validator:
        case "enum" if _is_about_a_name(error):
            return f"There is no such tool. The tools are: {', '.join(rule)}."
        case "enum":
            return f"Must be one of {', '.join(rule)}."
        case "type":
            return f"Must be {' or '.join(_NOUNS[name] for name in ([rule] if isinstance(rule, str) else rule))}."
        case "maxLength" | "minLength":
            return f"Must have {'at most' if error.validator == 'maxLength' else 'at least'} {rule} characters."
        case "maxItems" | "maxProperties":
            return f"Must have at most {rule} entries."
        case _:
            return "Is not spelled as it must be."


_NOUNS: Final = {"string": "a text", "null": "null", "array": "a list", "object": "an object"}
