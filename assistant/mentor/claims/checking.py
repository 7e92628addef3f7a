"""An answer that is whole, checked: what it says was done and was not."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final

import msgspec

from assistant.llm.events import Block
from assistant.mentor.briefing import read_turn
from assistant.mentor.claims.backing import unbacked
from assistant.mentor.claims.detection import Claim, find_claims
from assistant.mentor.claims.requests import asks_to_act
from assistant.mentor.claims.text import compose
from assistant.mentor.events import Message
from assistant.mentor.tools import is_write

TOLD: Final = 5
"""Sentences that a notice repeats: more are not read."""

TOLD_CHARACTERS: Final = 300
"""Of such a sentence."""

AT_ONCE: Final = 20_000
"""Characters that are checked in passing, in some 10 ms. Longer answers do not keep others waiting."""

NOTICE: Final = "claim_not_backed"

CORRECTION: Final = "(Correction: "
"""How a note to the model begins."""


async def find_unbacked(
    answer: str, question: str, executed: Sequence[str], conversation: Sequence[Message]
) -> list[Claim]:
    """What the answer claims and no tool `executed` in this turn bears out.

    Where the learner did not ask for an action, "I have added it" may tell of an earlier turn: then what was executed
    in the `conversation` before this turn counts, too.
    """
    asked = asks_to_act(question)
    find = partial(find_claims, answer, asked=asked)
    claims = find() if len(answer) <= AT_ONCE else await asyncio.to_thread(find)
    if not claims:
        return []
    earlier = [] if asked else executed_in(conversation[: _question_at(conversation)])
    return unbacked(claims, [*executed, *earlier])


def shown_claims(claims: Sequence[Claim], answer: str) -> list[Claim]:
    """Those that stand in the answer still, of which parts may have been left out."""
    text = compose(answer)
    return [claim for claim in claims if claim.sentence in text]


def executed_since_question(conversation: Sequence[Message]) -> list[str]:
    """Tools that changed something in the turn that the conversation ends with."""
    return list(executed_in(conversation[_question_at(conversation) :]))


def _question_at(conversation: Sequence[Message]) -> int:
    """Where the last question stands; 0 where there is none."""
    return next((at for at in reversed(range(len(conversation))) if read_turn(conversation[at]["content"])), 0)


def executed_in(conversation: Sequence[Message]) -> Iterator[str]:
    """Tools that changed something, by the results that stand in a conversation."""
    names: dict[str, str] = {}
    for message in conversation:
        for block in message["content"] if isinstance(message["content"], list) else ():
            if block.get("type") == "tool_use" and is_write(block["name"]):
                names[block["id"]] = block["name"]
            elif block.get("type") == "tool_result" and block["tool_use_id"] in names and _says_done(block):
                yield names.pop(block["tool_use_id"])


def _says_done(result: Block) -> bool:
    content = result.get("content")
    if result.get("is_error") or not isinstance(content, str):
        return False
    try:
        facts = msgspec.json.decode(content)
    except msgspec.DecodeError:
        return False
    return isinstance(facts, dict) and facts.get("status") == "done"


def describe(claims: Sequence[Claim], executed: Sequence[str]) -> dict[str, Any]:
    """The value of `NOTICE`: the sentences, and whether nothing at all was done or something else was."""
    return {"reason": "partly" if executed else "nothing", "claims": _sentences(claims)}


def tell_people(value: Mapping[str, Any]) -> str:
    """A notice's value in a sentence, for where people read English."""
    said = " ".join(f"“{claim}”" for claim in value["claims"])
    what = "Nothing was changed" if value["reason"] == "nothing" else "This was not done, or not all of it"
    return f"{what}, though the mentor says so: {said}"


def correction(claims: Sequence[Claim], executed: Sequence[str]) -> Block:
    """What the model reads of it in later turns, behind its own words."""
    said = " ".join(f"“{sentence}”" for sentence in _sentences(claims))
    what = "that was not done, or not all of it" if executed else "nothing was changed in that turn"
    return {
        "type": "text",
        "text": f"{CORRECTION}{what}, whatever is said above: {said} Only a tool's result shows it.)",
    }


def is_correction(block: Block) -> bool:
    return block.get("type") == "text" and str(block.get("text", "")).startswith(CORRECTION)


def _sentences(claims: Sequence[Claim]) -> list[str]:
    different = dict.fromkeys(" ".join(claim.sentence.split()) for claim in claims)
    return [_shorten(sentence) for sentence in list(different)[:TOLD]]


def _shorten(sentence: str) -> str:
    return sentence if len(sentence) <= TOLD_CHARACTERS else sentence[: TOLD_CHARACTERS - 2].rstrip() + " …"
