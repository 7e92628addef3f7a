"""Prompts: words in files, with declared variables, a version and a content hash.

A prompt is a folder: `meta.yaml` and one Markdown file per part. The metadata declare each part (or, with `types/*`, a
group that files may be added to), its variables and its token budget:

    name: mentor
    version: 1.0.0
    description: What the mentor is told.
    parts:
      rules: {max_tokens: 900}
      types/*: {max_tokens: 200}
      owner: {max_tokens: 600, variables: {tone: "How the mentor speaks"}}

In a part `{{tone}}` is where the value goes. There is no logic but this: a line whose slots are all empty is left out.
Values are put in as they are and never looked at again, so nothing in them is evaluated.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Final

import msgspec
import yaml

from assistant.errors import ConfigurationError
from assistant.llm.tokens import text_tokens

META: Final = "meta.yaml"

MAX_FILE_BYTES: Final = 256 * 1024
"""No prompt is longer; a larger file is there by mistake."""

_SLOT: Final = re.compile(r"\{\{([a-z][a-z_]*)\}\}")
_BRACES: Final = re.compile(r"\{\{|\}\}")

_Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z_]*\Z")]


class _PartMeta(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    max_tokens: Annotated[int, msgspec.Meta(ge=1, le=50_000)]
    """The budget of the part's own words; values come on top, and whoever gives them bounds them."""
    variables: dict[_Name, str] = {}
    """Each with a sentence on what it is."""


class _Meta(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    version: Annotated[str, msgspec.Meta(pattern=r"^\d+\.\d+\.\d+\Z")]
    description: str
    parts: dict[str, _PartMeta]


@dataclass(frozen=True, slots=True)
class Part:
    """One text of a prompt, before values are put in."""

    text: str
    variables: Mapping[str, str]
    max_tokens: int

    def render(self, values: Mapping[str, str]) -> str:
        """The text with `values` in it. Raises ConfigurationError where they are not exactly the declared ones."""
        if values.keys() != self.variables.keys():
            odd = ", ".join(sorted(values.keys() ^ self.variables.keys()))
            raise ConfigurationError(f"A prompt was given other values than it declares: {odd}.")
        lines = [line for line in self.text.split("\n") if _has_content(line, values)]
        return _SLOT.sub(lambda slot: values[slot[1]], "\n".join(lines))


def _has_content(line: str, values: Mapping[str, str]) -> bool:
    slots = _SLOT.findall(line)
    return not slots or any(values[slot] for slot in slots)


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt as it stood in its folder when the library was made."""

    name: str
    version: str
    description: str
    hash: str
    """SHA-256, in hex, over the metadata and all parts: what was told, not how it is tested."""
    parts: Mapping[str, Part]

    def render(self, part: str, values: Mapping[str, str] = MappingProxyType({})) -> str:
        """One part with its values. Raises ConfigurationError for an unknown part and for values that do not fit."""
        if part not in self.parts:
            raise ConfigurationError(f"The prompt {self.name!r} has no part {part!r}.")
        return self.parts[part].render(values)


class PromptLibrary:
    """All prompts of a directory, read and checked once; afterwards nothing changes, so threads may share it.

    Raises ConfigurationError, with one line that names the file, for anything that is not as it should be.
    """

    def __init__(self, directory: Path) -> None:
        folders = sorted(path.parent for path in directory.glob(f"*/{META}"))
        if not folders:
            raise ConfigurationError(f"There are no prompts in {directory}.")
        self._prompts = {folder.name: load_prompt(folder) for folder in folders}

    @property
    def names(self) -> list[str]:
        return list(self._prompts)

    def get(self, name: str) -> Prompt:
        """Raises ConfigurationError where there is none of that name."""
        if name not in self._prompts:
            raise ConfigurationError(f"There is no prompt {name!r}; there are: {', '.join(self._prompts)}.")
        return self._prompts[name]


def load_prompt(folder: Path) -> Prompt:
    """The prompt in `folder`, checked. Raises ConfigurationError."""
    source = {META: _read(folder / META)}
    meta = _parse_meta(folder / META, source[META])
    source |= {name: _read(folder / name) for name in _part_files(folder)}
    parts = {
        name.removesuffix(".md"): _make_part(folder / name, name.removesuffix(".md"), text, meta)
        for name, text in source.items()
        if name != META
    }
    for declared in meta.parts:
        if not any(fnmatchcase(name, declared) for name in parts):
            raise ConfigurationError(f"{folder / META}: there is no file for the part {declared!r}.")
    return Prompt(meta.name, meta.version, meta.description, _digest(source), MappingProxyType(parts))


def _part_files(folder: Path) -> list[str]:
    """Relative names of all Markdown files but those of the prompt's tests."""
    names = (path.relative_to(folder) for path in folder.rglob("*.md"))
    return sorted(name.as_posix() for name in names if name.parts[0] not in ("cases", "fixtures"))


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
        if len(content) > MAX_FILE_BYTES:
            raise ConfigurationError(f"{path} is longer than {MAX_FILE_BYTES // 1024} KiB.")
        return content.decode().replace("\r\n", "\n")
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigurationError(f"{path} cannot be read as UTF-8 text.") from exc


def _parse_meta(path: Path, text: str) -> _Meta:
    try:
        meta = msgspec.convert(yaml.safe_load(text), _Meta)
    except (yaml.YAMLError, msgspec.ValidationError, RecursionError) as exc:
        reason = str(exc).splitlines()[0] if str(exc) else type(exc).__name__
        raise ConfigurationError(f"{path}: {reason}.") from exc
    if meta.name != path.parent.name:
        raise ConfigurationError(f"{path}: the name {meta.name!r} is not that of its folder.")
    return meta


def _make_part(path: Path, name: str, text: str, meta: _Meta) -> Part:
    declared = [part for pattern, part in meta.parts.items() if fnmatchcase(name, pattern)]
    if len(declared) != 1:
        raise ConfigurationError(f"{path}: {META} must declare this part, once.")
    part, text = declared[0], text.strip()
    if _BRACES.search(_SLOT.sub("", text)):
        raise ConfigurationError(f"{path}: a slot is written {{{{name}}}}, in small letters and without spaces.")
    odd = set(_SLOT.findall(text)) ^ part.variables.keys()
    if odd:
        raise ConfigurationError(f"{path}: used but not declared, or declared but not used: {', '.join(sorted(odd))}.")
    if (tokens := text_tokens(text)) > part.max_tokens:
        raise ConfigurationError(f"{path}: about {tokens} tokens; its budget is {part.max_tokens}.")
    return Part(text, MappingProxyType(part.variables), part.max_tokens)


def _digest(source: Mapping[str, str]) -> str:
    digest = hashlib.sha256()
    for name in sorted(source):
        for piece in (name, source[name]):
            data = piece.encode()
            digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()
