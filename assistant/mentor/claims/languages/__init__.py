"""The words of each language that claims are told by. A further language is a further entry in LANGUAGES."""

from typing import Final

from assistant.mentor.claims.languages.english import ENGLISH
from assistant.mentor.claims.languages.french import FRENCH
from assistant.mentor.claims.languages.german import GERMAN
from assistant.mentor.claims.languages.spanish import SPANISH
from assistant.mentor.claims.vocabulary import Language

LANGUAGES: Final[tuple[Language, ...]] = (ENGLISH, GERMAN, SPANISH, FRENCH)
