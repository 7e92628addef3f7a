"""What a turn is searched for: nothing, what was said, or what that means after the turns before it.

greeting, thanks, a request to act, talk about one's own plan      nothing: no document answers it
"yes", "go on", "why?"                                             the turn before, again (knowledge/followups.py)
"and how do I untie it?"                                           with what it continues; where there is a model,
                                                                   also as the model puts it, if it does so in time
"""

import asyncio
import re
from collections.abc import Collection, Sequence
from typing import Final

import structlog

from assistant.knowledge.followups import Turn, leans
from assistant.knowledge.language import detect_language
from assistant.llm.events import OFFLINE, Model, ModelError
from assistant.llm.prompts import PromptLibrary
from assistant.mentor.aside import Aside, ask_aside, check_aside
from assistant.mentor.briefing import read_turn, write_turn
from assistant.mentor.offline.requests import read_request
from assistant.mentor.state import LearnerState
from assistant.usage.reservations import Pay

log = structlog.get_logger(__name__)

PROMPT: Final = "condense"

CONDENSE_SECONDS: Final = 1.2
"""The learner waits for it: a model that takes longer has not helped."""

CONDENSE_TOKENS: Final = 120

SHOWN_TURNS: Final = 6
"""Questions and answers that the model is shown: what a pointing word means was said lately."""

SHOWN_CHARACTERS: Final = 700
"""Of each of them."""

NO_MARKER: Final = "00000000"
"""Nobody else sees what it marks."""

QUESTION_CHARACTERS: Final = 500
"""A longer answer of the model is none."""


class Condenser:
    """Puts follow-ups so that they can be searched for; one per process. Raises ConfigurationError where its prompt is
    not as it should be."""

    def __init__(
        self, model: Model, prompts: PromptLibrary, default_model: str, *, seconds: float = CONDENSE_SECONDS
    ) -> None:
        self._model = model
        self._name = default_model
        self._seconds = seconds
        self._prompt = prompts.get(PROMPT)
        check_aside(self._prompt, "turns", "question")

    async def condense(self, question: str, history: Sequence[Turn], pay: Pay) -> Aside | None:
        """The question as it stands alone; None where it does so already, or the model did not say so in time.

        Raises QuotaExceededError.
        """
        if self._model.name == OFFLINE or not leans(question, history, detect_language(question, "en")):
            return None
        shown = "\n".join(
            f"{'Learner' if speaker == 'user' else 'Mentor'}: {text[-SHOWN_CHARACTERS:]}"
            for speaker, text in history[-SHOWN_TURNS:]
        )
        values = {"turns": shown, "question": question[:SHOWN_CHARACTERS]}
        try:
            async with asyncio.timeout(self._seconds):
                said = await ask_aside(
                    self._model,
                    self._name,
                    self._prompt,
                    values,
                    max_tokens=CONDENSE_TOKENS,
                    action="condense",
                    pay=pay,
                )
        except TimeoutError:
            log.info("question_not_condensed", reason="too slow")
            return None
        except ModelError as error:
            log.info("question_not_condensed", reason=error.code)
            return None
        return said if len(said.text) <= QUESTION_CHARACTERS else None


def needs_documents(question: str, state: LearnerState, tools: Collection[str], *, offline: bool) -> bool:
    """Whether anything is to be looked up for it. In doubt it is: a model may still search where it was not.

    `offline`: the offline mentor answers, which has its own words for plain requests only.
    """
    turn = read_turn(write_turn(state, [], question, NO_MARKER, None))
    assert turn is not None, "it was just written"
    if read_request(turn, tools) is not None:
        return False
    return offline or not (_is_small_talk(question) or _OWN_PLAN.match(question.strip()))


_PLEASANTRIES: Final = """
    hello hi hey thanks thank bye goodbye cheers great perfect awesome excellent wonderful understood got
    hallo moin servus danke dank tschüss super toll prima klasse verstanden
    hola gracias genial perfecto adiós entendido bonjour salut merci parfait revoir bonsoir compris
"""
_BESIDE_THEM: Final = """
    there you very much so a lot good nice cool ok okay see later morning evening afternoon night day it alright that
    was helpful all for now dir sehr vielen gut bis später guten morgen abend tag nacht alles klar das war hilfreich
    muchas vale hasta luego buenos buenas días tardes noches muy bien beaucoup d'accord au bonne journée très
"""
_MEANT: Final = frozenset(_PLEASANTRIES.split())
_SMALL_TALK: Final = _MEANT | frozenset(_BESIDE_THEM.split())

_WORD: Final = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")


def _is_small_talk(question: str) -> bool:
    words = {word.lower() for word in _WORD.findall(question[:200])}
    return len(question) <= 80 and words <= _SMALL_TALK and not words.isdisjoint(_MEANT)


_OWN_PLAN: Final = re.compile(
    r"(?:please |can you |could you |let's |i(?:'d| would) like (?:you )?to |i want to )?(?:"
    r"(?:add|create|make|set|mark|update|change|move|delete|remove|rename|finish|complete|reschedule|postpone|plan)\b"
    r"[^?]{0,60}\b(?:tasks?|to-?dos?|goals?|deadlines?|due dates?|reminders?|progress|my (?:week|day|schedule|plan))\b"
    r"|(?:what|which|when|how many)\b[^?]{0,30}\bmy (?:open |next |overdue )?(?:tasks?|to-?dos?|goals?|deadlines?"
    r"|progress|schedule|plan)\b)"
    r"|(?:bitte |kannst du |könntest du |lass uns )?(?:"
    r"(?:leg|erstell|setz|mach|änder|verschieb|lösch|markier|plan)\w*\b[^?]{0,60}\b(?:aufgaben?|ziele?|fristen?"
    r"|erinnerungen?|fortschritt|meine[nr]? (?:woche|tag|plan))\b"
    r"|[^?]{0,30}\b(?:aufgaben?|ziele?|fristen?|erinnerungen?)\b[^?]{0,40}\b(?:anlegen|erstellen|verschieben|ändern"
    r"|löschen|erledigen|abschließen)[.!?]*$"
    r"|(?:was|welche|wann)\b[^?]{0,30}\bmeine[nr]? (?:offenen |nächsten )?(?:aufgaben?|ziele?|fristen?|fortschritt)\b)",
    re.IGNORECASE,
)
"""About what the learner has planned and done, which the state and the tools know and documents do not."""
