"""All that one turn may touch, and what the model is told: system prompt, the learner's state, the question."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, get_args
from uuid import UUID

import msgspec
import structlog

from assistant.db.identity import Principal
from assistant.db.session import Database
from assistant.knowledge.retrieval import Passage, Retriever
from assistant.llm.events import Block
from assistant.llm.prompts import Prompt
from assistant.llm.tokens import text_tokens
from assistant.mentor.briefing import holds_foreign_text, write_turn
from assistant.mentor.delimiting import clean, clean_line
from assistant.mentor.events import Message
from assistant.mentor.history import blocks_of
from assistant.mentor.policies import PASSAGE_CHARACTERS, PASSAGE_TOKENS, PASSAGES
from assistant.mentor.state import LearnerState
from assistant.spaces.mentor_config import Grounding, MentorConfig

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Scene:
    """Who acts, and where: said here and never by a model."""

    principal: Principal
    space_id: UUID
    config: MentorConfig
    can_write: bool
    """The learner may add and change what the space holds; the database decides all the same."""
    marker: str
    """This turn's, see assistant/mentor/delimiting.py."""
    now: datetime


@dataclass(frozen=True, slots=True)
class MentorContext(Scene):
    """What the tools of one turn are given."""

    database: Database
    retriever: Retriever
    run_id: UUID | None = None
    """The run whose calls they are; None: a chain of somebody else's, in which nothing can be proposed."""


DEFAULT_TYPE: Final = "types/default"

_SHORT: Final = 200
"""Characters of a wish that is a word or two, or a row of them."""

_INSTRUCTIONS: Final = 8000
"""Characters of an owner's instructions: some 2,000 tokens in each turn."""


def build_system(prompt: Prompt, config: MentorConfig) -> list[Block]:
    """The system prompt: rules and role, the same for all spaces of a kind, then the owner's wishes.

    Two cache marks: the first part is shared between spaces, both are the same in every turn.
    Raises ConfigurationError where the prompt's folder lacks a part.
    """
    role = f"types/{config.type}"
    if role not in prompt.parts:
        log.info("mentor_type_unknown", known=[part for part in prompt.parts if part.startswith("types/")])
        role = DEFAULT_TYPE
    rules = [
        prompt.render("rules"),
        prompt.render(role),
        prompt.render(f"grounding/{config.grounding}"),
    ]
    return [_cached("\n\n".join(rules)), _cached(prompt.render("owner", _wishes(config)))]


def check_prompt(prompt: Prompt) -> None:
    """Raises ConfigurationError where a mentor could not be told what it must know: at the start, not in a turn."""
    for grounding in get_args(Grounding):
        build_system(prompt, MentorConfig(grounding=grounding))


def _wishes(config: MentorConfig) -> dict[str, str]:
    """The values of the owner's slots. The marker is a hash of them: the same each turn, and nothing they can hold."""
    short = {
        "name": config.name or "",
        "personality": config.personality or "",
        "tone": config.tone or "",
        "language": config.language or "",
        "expertise": ", ".join(config.expertise),
    }
    instructions = (config.instructions or "")[:_INSTRUCTIONS]
    marker = hashlib.sha256(msgspec.json.encode([short, instructions])).hexdigest()[:8]
    wishes = {slot: clean_line(value, marker, _SHORT) for slot, value in short.items()}
    return wishes | {"instructions": clean(instructions, marker).strip(), "marker": marker}


def _cached(text: str) -> Block:
    return {"type": "text", "text": text, "cache_control": {"type": "ephemeral"}}


def build_question(
    state: LearnerState,
    passages: Sequence[Passage] | None,
    question: str,
    marker: str,
    *,
    language: str | None = None,
    searched: bool = True,
) -> list[Block]:
    """The blocks of a turn's question: the learner's state, `passages` numbered from 1, what they said.

    `passages` must have gone through `fit_passages`; None means that they could not be searched, which is told, as is
    that nothing was `searched` for. `language` is the one that the space's owner set for all answers.
    """
    return write_turn(state, passages, question, marker, language, searched=searched)


def fit_passages(passages: Sequence[Passage]) -> list[Passage]:
    """The best of them that are within the turn's limits, each a verbatim slice of its document as before."""
    fitting: list[Passage] = []
    left = PASSAGE_TOKENS
    for passage in passages[:PASSAGES]:
        cut = _cut(passage)
        left -= text_tokens(cut.text)
        if left < 0:
            break
        fitting.append(cut)
    return fitting


def _cut(passage: Passage) -> Passage:
    if len(passage.text) <= PASSAGE_CHARACTERS:
        return passage
    text = passage.text[:PASSAGE_CHARACTERS]
    return replace(passage, text=text, end=passage.start + len(text))


def mark_for_cache(messages: Sequence[Message]) -> list[Message]:
    """The same messages, all of them to be cached: the next round of the turn begins with them."""
    if not messages:
        return []
    *earlier, last = messages
    *blocks, final = blocks_of(last)
    return [*earlier, {**last, "content": [*blocks, {**final, "cache_control": {"type": "ephemeral"}}]}]


def is_tainted(messages: Sequence[Message]) -> bool:
    """Whether the model reads text that the learner did not write: then no write happens without their approval."""
    return any(
        holds_foreign_text(text)
        for message in messages
        if message["role"] == "user"
        for text in _texts(blocks_of(message))
    )


def _texts(blocks: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for block in blocks:
        content = block.get("content") if block.get("type") == "tool_result" else block.get("text")
        if isinstance(content, str):
            yield content
        elif isinstance(content, list):
            yield from _texts(content)
