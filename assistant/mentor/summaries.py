"""What was said long ago, in short: by the model, or from the sentences that say the most.

A summary is made of the one before it and the turns since, so each turn is read once. It is a record, not a source:
what documents say can be searched for again, what the learner said about themselves cannot.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from assistant.llm.events import NO_USAGE, OFFLINE, Model
from assistant.llm.prompts import Prompt, PromptLibrary
from assistant.llm.tokens import text_tokens
from assistant.mentor.aside import Aside, ask_aside, check_aside
from assistant.mentor.briefing import read_turn
from assistant.mentor.claims.checking import is_correction
from assistant.mentor.context import is_tainted
from assistant.mentor.events import Message
from assistant.mentor.history import blocks_of
from assistant.mentor.sentences import split_sentences, stems
from assistant.mentor.tools import is_write
from assistant.usage.reservations import Pay

PROMPT: Final = "summarise"

SUMMARY_TOKENS: Final = 2_000
"""A twelfth of the history that it stands in front of: some sixty facts."""

SUMMARY_CHARACTERS: Final = 7_000
"""The same, of a summary made of sentences; a model that says more is cut."""

SAID_CHARACTERS: Final = 4_000
"""Of one question or answer, the part that is summarised. More is pasted text, or a listing."""

DONE_CHARACTERS: Final = 300
"""Of one tool call with its result."""

Speaker = Literal["Learner", "Mentor", "Done"]


@dataclass(frozen=True, slots=True)
class Summary:
    """A summary, as it is stored and used."""

    text: str
    tainted: bool
    """Text of others went into it, at whatever remove."""
    turns: int
    """How many it covers."""


class Summariser:
    """Makes summaries; one per process. Raises ConfigurationError where its prompt is not as it should be."""

    def __init__(self, model: Model, prompts: PromptLibrary, default_model: str) -> None:
        self._model = model
        self._name = default_model
        self.prompt: Prompt = prompts.get(PROMPT)
        check_aside(self.prompt, "earlier", "turns")

    async def summarise(self, earlier: Summary | None, messages: Sequence[Message], pay: Pay) -> tuple[Summary, Aside]:
        """The summary of `earlier` and the turns in `messages`, and the call that it cost.

        Raises ModelError, QuotaExceededError.
        """
        lines = list(tell(messages))
        if self._model.name == OFFLINE:
            made = Aside(extract(earlier.text if earlier else "", lines), OFFLINE, NO_USAGE)
        else:
            values = {"earlier": earlier.text if earlier else "", "turns": "\n".join(map(str, lines))}
            made = await ask_aside(
                self._model,
                self._name,
                self.prompt,
                values,
                max_tokens=SUMMARY_TOKENS,
                action="summarise",
                pay=pay,
            )
        turns = sum(1 for message in messages if message["role"] == "user" and read_turn(message["content"]))
        tainted = (earlier is not None and earlier.tainted) or is_tainted(messages)
        covered = (earlier.turns if earlier else 0) + turns
        return Summary(made.text[:SUMMARY_CHARACTERS], tainted, max(covered, 1)), made


@dataclass(frozen=True, slots=True)
class Line:
    """Something that was said or done."""

    speaker: Speaker
    text: str

    def __str__(self) -> str:
        return f"{self.speaker}: {self.text}"


def tell(messages: Iterable[Message]) -> Iterator[Line]:
    """What was said and done in some turns, without what the model was shown beside it."""
    results: dict[str, str] = {}
    told = list(messages)
    for message in told:
        for block in blocks_of(message):
            if block.get("type") == "tool_result":
                results[block["tool_use_id"]] = str(block.get("content", ""))
    for message in told:
        if message["role"] == "user":
            turn = read_turn(message["content"])
            if turn is not None:
                yield Line("Learner", turn.question[:SAID_CHARACTERS])
            continue
        for block in blocks_of(message):
            if is_correction(block):  # of what the line before says
                yield Line("Done", " ".join(str(block["text"]).split())[:DONE_CHARACTERS])
            elif block.get("type") == "text" and str(block["text"]).strip():
                yield Line("Mentor", _CITATION.sub("", str(block["text"]))[:SAID_CHARACTERS])
            elif block.get("type") == "tool_use" and is_write(block["name"]):  # the rest can be looked up again
                done = f"{block['name']} {block['input']} → {results.get(block['id'], 'not carried out')}"
                yield Line("Done", " ".join(done[:DONE_CHARACTERS].split()))


_CITATION: Final = re.compile(r" ?\[\d{1,3}\]")


# --- without a model --------------------------------------------------------------------------------------------------

SENTENCE_CHARACTERS: Final = 320
"""A longer sentence is cut: a list, or pasted text."""

SAME: Final = 0.75
"""Of two sentences that share so many of their stems, the later one holds."""

_OF_ONESELF: Final = re.compile(
    r"\b(?:i|i'm|i've|i'll|my|mine|me|we|our|ich|mein\w*|mir|mich|wir|unser\w*|yo|mi|mis|me|soy|tengo|estoy|nosotros"
    r"|je|j'ai|j'|mon|ma|mes|moi|nous|notre)\b",
    re.IGNORECASE,
)
_WEIGHTY: Final = re.compile(
    r"\b(?:goals?|plan(?:s|ned)?|decid\w+|agreed?|promis\w+|deadline|exam\w*|due|until|want|need|must|have to|prefer\w*"
    r"|always|never|remember\w*|forget|hard|difficult|struggl\w+|like|love|hate|live|work|stud(?:y|ies|ied|ying)|born"
    r"|name|called|since|every|mistake|learn(?:ed|t)|finished|passed|failed|instead"
    r"|ziele?|entschied\w*|entschlossen|vereinbar\w+|versproch\w+|frist|prüfung\w*|fällig|bis|will|möchte|brauche|muss"
    r"|lieber|immer|nie|merk\w*|vergiss|schwer|schwierig|mag|wohne|arbeite|studiere|heiße|heißt|seit|jeden|stattdessen"
    r"|metas?|objetivo\w*|decid\w+|examen|quiero|necesito|debo|prefiero|siempre|nunca|recuerd\w+|difícil|vivo|trabajo"
    r"|estudio|llamo|desde|cada|hasta"
    r"|objectif\w*|décid\w+|veux|dois|préfère|toujours|jamais|rappel\w+|difficile|habite|travaille|étudie|appelle"
    r"|depuis|chaque)\b",
    re.IGNORECASE,
)
_FIGURE: Final = re.compile(r"\d")
_DAY: Final = re.compile(
    r"\b(?:january|february|march|april|june|july|august|september|october|november|december|mon|tues|wednes|thurs|fri"
    r"|satur|sun)(?:day)?s?\b|\b(?:januar|februar|märz|juni|juli|oktober|dezember|montag|dienstag|mittwoch|donnerstag"
    r"|freitag|samstag|sonntag)s?\b|\b(?:enero|febrero|marzo|abril|mayo|junio|julio|agosto|septiembre|octubre"
    r"|noviembre|diciembre|lunes|martes|miércoles|jueves|viernes|sábado|domingo)\b|\b(?:janvier|février|mars|avril|mai"
    r"|juin|juillet|août|septembre|octobre|novembre|décembre|lundi|mardi|mercredi|jeudi|vendredi|samedi|dimanche)\b",
    re.IGNORECASE,
)
_NAME: Final = re.compile(r"(?<=[\w,;:] )[^\W\d_a-zß-öø-ÿ][^\W\d_]+")

_LINE: Final = re.compile(r"^- (Learner|Mentor|Done): (.+)$", re.MULTILINE)


def extract(earlier: str, lines: Sequence[Line]) -> str:
    """A summary made of sentences, word for word, in the order in which they were said.

    `earlier` is one that was made so before. What says the most for its length is kept, up to SUMMARY_CHARACTERS.
    """
    candidates = [Line(speaker, text) for speaker, text in _LINE.findall(earlier)]
    candidates += [sentence for line in lines for sentence in _sentences(line)]
    kept, left = [], SUMMARY_CHARACTERS
    for position in sorted(_latest(candidates), key=lambda at: (-_worth(candidates[at]), -at)):
        cost = len(str(candidates[position])) + 3
        if _worth(candidates[position]) > 0 and cost <= left:
            kept.append(position)
            left -= cost
    return "\n".join(f"- {candidates[position]}" for position in sorted(kept)) or "- Learner: …"


def _sentences(line: Line) -> Iterator[Line]:
    if line.speaker == "Done":
        yield line
        return
    for sentence in split_sentences(line.text):
        text = " ".join(line.text[sentence.start : sentence.end].split())
        if text and sentence.kind in ("prose", "heading"):
            yield Line(line.speaker, text[:SENTENCE_CHARACTERS])


def _latest(candidates: Sequence[Line]) -> list[int]:
    """Positions of those that no later one says again."""
    kept: list[int] = []
    seen: dict[str, list[frozenset[str]]] = {}
    for position in reversed(range(len(candidates))):
        words = frozenset(stems(candidates[position].text))
        rarest = min(words, key=lambda stem: (len(seen.get(stem, ())), stem), default="")
        if words and not any(len(words & other) >= SAME * len(words | other) for other in seen.get(rarest, ())):
            kept.append(position)
            for stem in words:
                seen.setdefault(stem, []).append(words)
    return kept


def _worth(line: Line) -> float:
    """How much a sentence says that nothing else does, for the room that it takes; at most 0: nothing."""
    text = line.text
    if line.speaker == "Done":
        return 2.0
    signs = (
        2.0 * bool(_DAY.search(text))
        + 1.5 * bool(_FIGURE.search(text))
        + 1.0 * bool(_NAME.search(text))
        + 1.5 * bool(_WEIGHTY.search(text))
    )
    if line.speaker == "Learner":
        signs += 3.0 * bool(_OF_ONESELF.search(text))
        signs = 0.3 * signs + 0.1 if text.rstrip().endswith(("?", "？")) else signs
    else:
        signs = 0.35 * signs - 0.3
    return signs / (1 + text_tokens(text) / 60)
