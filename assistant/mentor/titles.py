"""What a conversation is called: by the model, or from its first question."""

import re
from typing import Final

from assistant.llm.events import OFFLINE, Model
from assistant.llm.prompts import PromptLibrary
from assistant.mentor.aside import ask_aside, check_aside
from assistant.usage.reservations import Pay

PROMPT: Final = "title"

TITLE_CHARACTERS: Final = 80
"""What fits into a line of a list; longer ones are cut."""

SHOWN_CHARACTERS: Final = 2_000
"""Of question and answer, the part that the model is shown: what they are about stands at the beginning."""

TITLE_TOKENS: Final = 60

_GREETING: Final = re.compile(
    r"^(?:hi|hello|hey|good (?:morning|afternoon|evening)|hallo|guten (?:morgen|tag|abend)|moin|servus|hola|buenos días"
    r"|buenas tardes|bonjour|bonsoir|salut)(?:\s+\w+)?\s*[,.!–-]+\s+(?=\S)",
    re.IGNORECASE,
)
_REQUEST: Final = re.compile(
    r"^(?:(?:can|could|would|will) you (?:please )?(?:tell me|explain|show me)(?: to me)?|please (?:tell me|explain)"
    r"|tell me|i (?:want|would like) to know|(?:kannst|könntest) du mir (?:bitte )?(?:sagen|erklären|zeigen)"
    r"|(?:bitte )?(?:sag|erklär|erkläre) mir(?: bitte)?|(?:puedes|podrías) (?:decirme|explicarme)"
    r"|(?:peux|pourrais)-tu m'(?:expliquer|dire))\s*,?\s+(?=\S)",
    re.IGNORECASE,
)
_SENTENCE_END: Final = re.compile(r"(?<=[.!?…])\s+(?=\S)|(?<=[。！？])")
_QUOTES: Final = "\"'“”„«»‚‘’`*_# "


class Titles:
    """Names conversations; one per process. Raises ConfigurationError where its prompt is not as it should be."""

    def __init__(self, model: Model, prompts: PromptLibrary, default_model: str) -> None:
        self._model = model
        self._name = default_model
        self._prompt = prompts.get(PROMPT)
        check_aside(self._prompt, "question", "answer")

    async def name(self, question: str, answer: str, pay: Pay) -> str:
        """A title in the language of the question. Raises ModelError, QuotaExceededError."""
        if self._model.name == OFFLINE:
            return title_of(question)
        values = {"question": question[:SHOWN_CHARACTERS], "answer": answer[:SHOWN_CHARACTERS]}
        said = await ask_aside(
            self._model, self._name, self._prompt, values, max_tokens=TITLE_TOKENS, action="title", pay=pay
        )
        return _tidy(said.text.splitlines()[0]) or title_of(question)


def title_of(question: str) -> str:
    """The beginning of a question, without a greeting and without politeness; never empty."""
    line = " ".join(question.split())
    for opening in (_GREETING, _REQUEST):
        line = opening.sub("", line, count=1)
    return _tidy(_SENTENCE_END.split(line, maxsplit=1)[0]) or "…"


def _tidy(line: str) -> str:
    bare = " ".join(line.split()).strip(_QUOTES).rstrip(".:;,")
    if len(bare) > TITLE_CHARACTERS:
        bare = bare[:TITLE_CHARACTERS].rsplit(" ", 1)[0].rstrip(".:;,–- ") + "…"
    return bare[:1].upper() + bare[1:]
