"""YAML files that people edit: read, held against their JSON Schema, and what is wrong is said with its line."""

import json
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml
from jsonschema import Draft202012Validator, ValidationError

from assistant.errors import ConfigurationError

MAX_BYTES: Final = 1024 * 1024


class _Loader(yaml.SafeLoader):
    """Dates stay texts: a schema knows no others, and people read them as they were written."""


_Loader.yaml_implicit_resolvers = {
    letter: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read_checked(path: Path, schema: Path) -> Any:
    """What the file says. Raises ConfigurationError: one line with file, line, field and what is expected there."""
    text = _read(path)
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
        if root is None:
            raise ConfigurationError(f"{path}: the file is empty.")
        _refuse_duplicates(path, root)
        value = loader.construct_document(root)
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        where = f"{path}, line {mark.line + 1}" if mark else str(path)
        raise ConfigurationError(f"{where}: {exc.problem or 'is no YAML'}.") from exc
    except (yaml.YAMLError, ValueError, RecursionError) as exc:
        raise ConfigurationError(f"{path}: is no YAML that can be read.") from exc
    faults = [(not _odd_keys(fault), _line_of(root, fault), fault) for fault in _validator(schema).iter_errors(value)]
    if faults:  # a name that is misspelled explains the one that is missing
        _, line, fault = min(faults, key=lambda each: each[:2])
        raise ConfigurationError(f"{path}, line {line}: {_sentence(fault)}")
    return value


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise ConfigurationError(f"{path} is longer than {MAX_BYTES // 1024} KiB.")
        return content.decode()
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigurationError(f"{path} cannot be read as UTF-8 text.") from exc


@cache
def _validator(schema: Path) -> Draft202012Validator:
    return Draft202012Validator(json.loads(schema.read_bytes()))


def _refuse_duplicates(path: Path, node: yaml.Node) -> None:
    """YAML takes the last of two; whoever wrote both meant something else."""
    for child in _nodes(node):
        if not isinstance(child, yaml.MappingNode):
            continue
        seen: set[str] = set()
        for key, _ in child.value:
            if key.value in seen:
                raise ConfigurationError(f"{path}, line {key.start_mark.line + 1}: {key.value!r} is there twice.")
            seen.add(key.value)


def _nodes(node: yaml.Node) -> Iterator[yaml.Node]:
    yield node
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from (*_nodes(key), *_nodes(value))
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _nodes(item)


def _line_of(root: yaml.Node, fault: ValidationError) -> int:
    """Counted from 1: of the key that a fault is about, or of one that should not be there."""
    node, line = root, 1
    steps: Sequence[str | int] = [*fault.absolute_path, *_odd_keys(fault)[:1]]
    for step in steps:
        if isinstance(node, yaml.MappingNode):
            key, node = next((key, value) for key, value in node.value if key.value == str(step))
            line = key.start_mark.line + 1
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int):
            node = node.value[step]
            line = node.start_mark.line + 1
    return line


def _odd_keys(fault: ValidationError) -> list[str]:
    if (
        fault.validator != "additionalProperties"
        or not isinstance(fault.schema, dict)
        or not isinstance(fault.instance, dict)
    ):
        return []
    return [str(key) for key in fault.instance if key not in fault.schema.get("properties", {})]


def _sentence(fault: ValidationError) -> str:
    """In our words: the library's repeat the value, which may be long."""
    field = ".".join(str(step) for step in fault.absolute_path) or "the file"
    schema = fault.schema if isinstance(fault.schema, dict) else {}
    expected = schema.get("description", "something else")
    if odd := _odd_keys(fault):
        return f"{field} has no {odd[0]!r}; expected: {expected}."
    if fault.validator == "required" and isinstance(fault.instance, dict):
        missing = next(key for key in schema["required"] if key not in fault.instance)
        return f"{field} lacks {missing!r}; expected: {expected}."
    return f"{field}: expected {expected}."
