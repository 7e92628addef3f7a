"""Plain requests in English and German, read as tool calls; in Spanish and French those that only look something up.

What is not clearly one of them is a question.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final, Literal

from assistant.mentor.briefing import ReadTurn
from assistant.mentor.offline.dates import find_date
from assistant.mentor.state import ModuleState

REQUEST_CHARACTERS: Final = 400
"""A longer message is no plain request."""


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call that the learner asked for."""

    tool: str
    arguments: dict[str, Any]


SaidInstead = Literal[
    "greeting",
    "thanks",
    "help",
    "cannot",
    "which_module",
    "no_modules",
    "what_title",
    "what_percentage",
    "wrong_percentage",
    "progress",
    "next",
]


@dataclass(frozen=True, slots=True)
class Say:
    """A request that comes to no call: what is said instead, as the name of a phrase."""

    phrase: SaidInstead


_POLITE: Final = (
    r"(?:(?:please|can you|could you|would you|i want you to|i'd like you to|i would like you to"
    r"|bitte|kannst du|könntest du|würdest du|ich möchte),?\s+)*+"
)
_TASK: Final = r"(?:task|to-?do|aufgabe)(?!\w)"
_LIST: Final = r"(?:(?:task|to-?do)\s+list|tasks|to-?dos|list)"


def _forms(*patterns: str) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(f"{_POLITE}(?:{pattern})", re.IGNORECASE) for pattern in patterns)


_GREETING: Final = _forms(
    r"(?:hello|hi|hey|good (?:morning|afternoon|evening)|hallo|guten (?:morgen|tag|abend)|moin|servus|hola"
    r"|buen(?:os|as) (?:d[ií]as|tardes|noches)|bonjour|salut|bonsoir)(?:\s+(?:there|mentor|zusammen))?"
)
_THANKS: Final = _forms(
    r"(?:thanks|thank you|many thanks|danke|vielen dank|danke schön|gracias|muchas gracias|merci|merci beaucoup)"
    r"(?:\s+(?:a lot|so much|very much|sehr))?"
)
_HELP: Final = _forms(
    r"(?:help|help me|what can you do(?: for me)?|who are you|hilfe|was kannst du(?: für mich)?(?: tun)?|wer bist du"
    r"|ayuda|qué puedes hacer|quién eres|aide|que peux-tu faire|qui es-tu)"
)

_LIST_TASKS: Final = _forms(
    r"what(?:'s| is| are)(?:\s+(?:still|currently))?\s+(?P<kind>due|overdue|open|next)(?P<when>(?:\s+[\w.-]+){0,4})",
    r"what do i (?:still )?(?:have|need) to (?:do|finish)(?P<when>(?:\s+[\w.-]+){0,4})",
    rf"(?:(?:list|show|give|tell)\s+)?(?:me\s+)?(?:all\s+)?(?:(?:of\s+)?my\s+|the\s+)?(?:open\s+|due\s+)?(?:{_LIST})",
    r"(?:what|which)(?: are)?(?: my| the)?(?: open)? (?:tasks|to-?dos)(?: do i have| are (?:there|due|open|left))?"
    r"(?P<when>(?:\s+[\w.-]+){0,4})",
    r"(?:what are my|do i have(?: any)?)(?: open| due)? (?:tasks|to-?dos)(?P<when>(?:\s+[\w.-]+){0,4})",
    r"was (?:ist|steht)(?: noch| gerade)?(?P<when>(?:\s+[\w.-]+){0,3}?)\s+(?P<kind>fällig|überfällig|offen|an)",
    r"was muss ich(?: noch)?(?P<when>(?:\s+[\w.-]+){0,3}?) (?:tun|machen|erledigen)",
    r"(?:(?:zeige?|liste?|nenne?)\s+)?(?:mir\s+)?(?:alle\s+)?(?:meine\s+|die\s+)?(?:offenen\s+|fälligen\s+)?aufgaben"
    r"(?:\s+auf)?",
    r"welche(?: offenen)? aufgaben (?:habe ich|sind|gibt es)(?: noch)?(?P<when>(?:\s+[\w.-]+){0,3}?)"
    r"(?: offen| fällig)?",
    r"qué (?:tareas (?:hay|tengo|quedan)|vence(?: ahora| después| próximamente)?)"
    r"(?: pendientes)?",
    r"(?:(?:muestra|lista|dime)\s+)?mis tareas(?: pendientes)?",
    r"(?:quelles sont|montre(?:-moi)?|liste)?\s*mes tâches(?: ouvertes)?",
    r"qu'est-ce qui est à (?:faire|rendre)(?: ensuite)?",
)
_WEEK: Final = re.compile(r"(?:this|diese|dieser)\s+(?:week|woche)", re.IGNORECASE)
_WHEN_WORDS: Final = re.compile(
    r"(?:\s*\b(?:by|until|till|on|for|the|now|soon|next|first|still|today|bis|zum|am|jetzt|bald|noch|als|nächstes)\b)*\s*",
    re.IGNORECASE,
)

_CREATE_TASK: Final = _forms(
    rf"(?:add|create|make|write|note|open)\s+(?:me\s+)?(?:(?:a|an|another|the|one)\s+)?(?:new\s+)?{_TASK}(?P<rest>.*)",
    rf"(?:(?:a|eine?)\s+)?(?:new\s+|neue[s]?\s+){_TASK}(?P<rest>.*)",
    rf"{_TASK}\s*:(?P<rest>.*)",
    rf"(?:add|put)\s+(?P<rest>.+?)\s+(?:to|on|onto)\s+(?:my|the)\s+(?:{_LIST})(?P<more>.*)",
    r"remind me\s+(?:to|about)\s+(?P<rest>.+)",
    r"(?:füge?|lege?|erstelle?n?|mache?|notiere?|schreibe?|trage?|anlegen)\s+(?:mir\s+)?(?:bitte\s+)?"
    rf"(?:(?:noch\s+)?(?:eine?|die|das)\s+)?(?:neue[s]?\s+)?{_TASK}(?P<rest>.*?)(?:\s+(?:hinzu|an|ein|auf))?",
    r"(?:setze?|schreibe?|nimm|packe?)\s+(?P<rest>.+?)\s+auf\s+(?:meine|die)\s+(?:aufgabenliste|liste)(?P<more>.*)",
    r"erinnere?\s+mich\s+(?:bitte\s+)?(?:daran,?\s+|an\s+)(?P<rest>.+)",
)
_CREATE_GOAL: Final = _forms(
    r"(?:add|create|set|make|open)\s+(?:me\s+)?(?:(?:a|an|another|the)\s+)?(?:new\s+)?goal(?!\w)(?P<rest>.*)",
    r"(?:new\s+|neues\s+)(?:goal|ziel)(?!\w)(?P<rest>.*)",
    r"(?:füge?|lege?|erstelle?|setze?)\s+(?:mir\s+)?(?:bitte\s+)?(?:(?:ein|das)\s+)?(?:neues\s+)?ziel(?!\w)(?P<rest>.*?)"
    r"(?:\s+(?:hinzu|an|fest))?",
)
_OTHER_CHANGES: Final = _forms(
    rf"(?:mark|set|complete|finish|close|reopen|delete|remove|rename|move|change|update)\s+(?:(?:the|my|this)\s+)?(?:{_TASK}"
    r"|goal|space|document|module\s+(?:title|name))(?!\w).*",
    rf"(?:lösche?|entferne?|markiere?|schließe?|ändere?|verschiebe?)\s+(?:(?:die|das|meine?|den)\s+)?(?:{_TASK}|ziel|raum"
    r"|dokument)(?!\w).*",
    r"(?:delete|remove|lösche?|entferne?)\s+.{0,40}\b(?:modul|module|tasks|aufgaben|documents|dokumente)\b.*",
)

_LIST_DOCUMENTS: Final = _forms(
    r"(?:what|which)(?: are)?(?: my| the)? (?:documents|files|sources)(?: do (?:i|you|we) have| are (?:there|here)"
    r"|(?: are)? in (?:this|the|my) space)?(?: in (?:this|the|my) space)?",
    r"(?:list|show|give|tell)\s+(?:me\s+)?(?:all\s+)?(?:(?:of\s+)?my\s+|the\s+)?(?:documents|files|sources)",
    r"(?:what are my|are there(?: any)?|do i have(?: any)?) (?:documents|files|sources)",
    r"(?:all\s+)?(?:my\s+|the\s+)?documents",
    r"(?:welche|was für) (?:dokumente|dateien|quellen) (?:gibt es|habe ich|haben wir|hast du|sind (?:da|hier))"
    r"(?: hier| in diesem raum)?",
    r"(?:(?:zeige?|liste?|nenne?)\s+)?(?:mir\s+)?(?:alle\s+)?(?:meine\s+|die\s+)?dokumente(?:\s+auf)?",
    r"qué (?:documentos|archivos) (?:hay|tengo)(?: aquí| en este espacio)?",
    r"(?:(?:muestra|lista)\s+)?mis documentos",
    r"quels (?:documents|fichiers) (?:y a-t-il|ai-je|sont là)|(?:montre(?:-moi)?\s+)?mes documents",
)

_SEE_PROGRESS: Final = _forms(
    r"how far (?:am i|have i (?:come|got|gotten)|did i (?:come|get))(?: along| now| so far| already)*",
    r"how am i doing|where (?:am|do) i(?: stand)?(?: now)?",
    r"what have i (?:done|completed|finished)(?: so far| already)?",
    r"(?:what(?:'s| is)\s+|how is\s+|(?:show|tell|give)\s+(?:me\s+)?)?my (?:current\s+)?progress(?: so far)?",
    r"wie weit (?:bin ich|habe ich es)(?: schon| jetzt| gerade| bisher)*(?: gekommen| geschafft)?",
    r"wo stehe ich(?: gerade)?",
    r"was habe ich(?: schon| bisher| alles)* (?:geschafft|erledigt|abgeschlossen)",
    r"(?:(?:wie ist|was ist|zeige?)\s+)?(?:mir\s+)?mein(?:en)? (?:fortschritt|stand)",
    r"(?:cuánto he avanzado|cómo voy|(?:cuál es |muestra )?mi progreso|hasta dónde he llegado)",
    r"(?:où en suis-je|(?:quelle est |montre(?:-moi)? )?ma progression)",
)

_NEXT: Final = _forms(
    r"(?:and\s+|so\s+)?(?:what (?:now|next)|what(?:'s| is)(?: up| coming)? next(?: for me)?|what comes next)",
    r"what (?:should|do|can|shall|could|must) i (?:do|learn|study|work on|start with)(?: now| next| first| today)*",
    r"what(?:'s| is| are) (?:my|the) next (?:steps?|tasks?|things?)(?: to do)?|(?:my\s+)?next steps?",
    r"(?:where|how) (?:do|should|shall|can) i (?:start|begin|continue|go on|go from here)(?: now| next)?",
    r"(?:was|und|und was) (?:nun|jetzt)|was (?:kommt|steht|ist) (?:jetzt |nun )?als nächstes(?: an| dran)?",
    r"was (?:soll|muss|kann|sollte) ich (?:jetzt|nun|als nächstes|heute|zuerst) (?:tun|machen|lernen)",
    r"was (?:mache|lerne|tue) ich (?:jetzt|nun|als nächstes|heute|zuerst)",
    r"was (?:ist|wäre) (?:mein|der) nächster? schritt|(?:mein\s+)?nächster schritt",
    r"(?:wie|womit|wo) (?:geht es weiter|(?:soll|kann) ich (?:weitermachen|anfangen)|mache ich weiter|fange ich an)",
    r"(?:¿?y\s+)?(?:ahora qué|qué (?:sigue|viene)(?: ahora| después)?)",
    r"qué (?:hago|toca|debo hacer|tengo que hacer|puedo hacer)(?: ahora| después| primero| hoy| próximamente)*",
    r"cuál es (?:mi|el) (?:siguiente|próximo) paso|por dónde (?:empiezo|sigo|continúo)",
    r"(?:et\s+)?(?:maintenant|après|ensuite)|quoi faire(?: maintenant| ensuite)?",
    r"que (?:dois|puis)-je faire(?: maintenant| ensuite| d'abord| aujourd'hui)*",
    r"qu'est-ce que je (?:fais|dois faire|peux faire)(?: maintenant| ensuite| d'abord| aujourd'hui)*",
    r"quelle est (?:la|ma) prochaine étape|par (?:quoi|où) (?:commencer|continuer)|comment continuer",
)

_DONE: Final = (
    r"(?P<done>\d{1,3}\s*(?:%|percent|per\s+cent|prozent)|done|complete|completed|finished|half|half\s+done|halb"
    r"|halb\s+fertig|fertig|erledigt|abgeschlossen|beendet)"
)
_DONE_TAIL: Final = r"(?:\s+(?:done|complete|completed|finished|fertig|erledigt|abgeschlossen))?"
_PROGRESS: Final = _forms(
    r"(?:mark|set|update|put|move|log|record)\s+(?:my\s+)?(?:progress\s+(?:of|on|in|for|with)\s+)?(?:the\s+)?"
    rf"(?P<module>.+?)\s+(?:(?:as|to|at|with|by|is)\s+)?(?:being\s+)?{_DONE}{_DONE_TAIL}",
    rf"(?P<module>module?\s+.+?)\s+(?:is|ist|stands\s+at|steht\s+bei)\s+(?:now\s+|jetzt\s+)?(?:at\s+|bei\s+)?{_DONE}"
    rf"{_DONE_TAIL}",
    rf"i(?:'m|\s+am)\s+{_DONE}\s+(?:done\s+|finished\s+)?(?:through|with|of|into|in)\s+(?P<module>.+)",
    r"i(?:'ve|\s+have)?\s+(?:just\s+)?(?P<done>finished|completed)\s+(?:with\s+)?(?:the\s+)?(?P<module>.+)",
    r"(?:setze?|markiere?|stelle?|aktualisiere?|trage?)\s+(?:bitte\s+)?(?:(?:meinen\s+|den\s+)?fortschritt\s+"
    rf"(?:in|im|bei|von|für)\s+)?(?:das\s+|dem\s+)?(?P<module>.+?)\s+(?:(?:auf|als|mit|bei|zu)\s+)?{_DONE}{_DONE_TAIL}"
    r"(?:\s+ein)?",
    r"ich\s+habe\s+(?:gerade\s+)?(?:das\s+)?(?P<module>.+?)\s+(?P<done>fertig|abgeschlossen|beendet|erledigt)",
    rf"ich\s+bin\s+(?:in|im|mit|bei)\s+(?:dem\s+)?(?P<module>.+?)\s+(?:zu\s+|bei\s+)?{_DONE}{_DONE_TAIL}",
)
_PROGRESS_WITHOUT_FIGURE: Final = _forms(
    r"(?:mark|set|update)\s+(?:my\s+)?(?:progress\s+(?:of|on|in|for|with)\s+)?(?:the\s+)?module\s.{1,120}",
    r"(?:setze?|markiere?|aktualisiere?)\s+(?:bitte\s+)?(?:das\s+)?modul\s.{1,120}",
)


_SAYINGS: Final[tuple[tuple[tuple[re.Pattern[str], ...], SaidInstead], ...]] = (
    (_GREETING, "greeting"),
    (_THANKS, "thanks"),
    (_HELP, "help"),
    (_SEE_PROGRESS, "progress"),
    (_NEXT, "next"),
)


def read_request(turn: ReadTurn, tools: Collection[str]) -> Call | Say | None:
    """What the learner asks to be done, if `turn.question` is a plain request. `tools` are those on offer."""
    text = " ".join(turn.question.replace("’", "'").split()).strip()
    bare = text.rstrip(" .!?¡¿").lstrip("¡¿ ")
    if not bare or len(bare) > REQUEST_CHARACTERS:
        return None
    for forms, phrase in _SAYINGS:
        if _match(forms, bare.rstrip(",")):
            return Say(phrase)
    modules, today = turn.state.modules, turn.state.now.date() if turn.state.now else None
    request = (
        _read_list_tasks(bare, today)
        or (Call("list_documents", {}) if _match(_LIST_DOCUMENTS, bare) else None)
        or _read_creation(text, today, modules)
        or _read_progress(bare, modules)
        or (Say("cannot") if _match(_OTHER_CHANGES, bare) else None)
    )
    return Say("cannot") if isinstance(request, Call) and request.tool not in tools else request


def _match(forms: Sequence[re.Pattern[str]], text: str) -> re.Match[str] | None:
    return next((match for form in forms if (match := form.fullmatch(text))), None)


def _read_list_tasks(text: str, today: date | None) -> Call | None:
    match = _match(_LIST_TASKS, text)
    if match is None:
        return None
    groups = match.groupdict()
    if today and str(groups.get("kind")).casefold() in ("overdue", "überfällig"):
        return Call("list_tasks", {"due_before": (today - timedelta(days=1)).isoformat()})
    when = (groups.get("when") or "").strip()
    if not when or today is None:
        return Call("list_tasks", {}) if _WHEN_WORDS.fullmatch(when) else None
    if week := _WEEK.search(when):
        found_day, start, end = today + timedelta(days=6 - today.weekday()), week.start(), week.end()
    elif found := find_date(when, today):
        found_day, start, end = found.day, found.start, found.end
    else:
        return Call("list_tasks", {}) if _WHEN_WORDS.fullmatch(when) else None
    # Other words around the day would make it another question, as in "what is due diligence today".
    if not _WHEN_WORDS.fullmatch(when[:start] + when[end:]):
        return None
    return Call("list_tasks", {"due_before": found_day.isoformat()})


_NAMED: Final = re.compile(
    r"\s*(?:(?:for me|für mich|hinzu|an|ein)(?!\w))?\s*"
    r"(?:(?:named|called|titled|namens|mit dem (?:titel|namen))\b|:|-|–|to\b(?!-)|for\b|,)?\s*",
    re.IGNORECASE,
)
_QUOTED: Final = re.compile(r"[\"“”„«‚'](?P<title>[^\"“”„«»]{1,300}?)[\"“”»](?!\w)")
_PRIORITY: Final = re.compile(
    r"(?<![\s,;(])[\s,;(]*(?:\b(?:with|at|and|mit|und)\s+)?(?:(?:a\s+)?\b(?P<before>low|medium|normal|high|urgent|niedriger?|mittlerer?"
    r"|hoher?|dringender?)[\s-]+(?:priority|prio|priorität)\b|\b(?:priority|prio|priorität)\s*(?:is|ist|=|:)?\s*(?P<after>low"
    r"|medium|normal|high|urgent|niedrig|mittel|hoch|dringend)\b|,\s*(?P<alone>urgent|dringend)\s*$)\)?",
    re.IGNORECASE,
)
_PRIORITIES: Final = {"l": "low", "n": "medium", "m": "medium", "h": "high", "u": "urgent", "d": "urgent"}
_BEFORE_DATE: Final = re.compile(
    r"(?<![\s,;(])[\s,;(]*\b(?:(?:which\s+|die\s+)?(?:is\s+|ist\s+)?(?:due|fällig))?\s*"
    r"(?:\b(?:by|until|till|before|for|on|at|bis|am|zum|für|spätestens|den|to|the|next)\b\s*)*[:\s]*$",
    re.IGNORECASE,
)
_IN_MODULE: Final = re.compile(
    r"(?<![\s,;])[\s,;]*\b(?:in|for|to|im|zum|für)\s+(?:the\s+|das\s+|dem\s+)?"
    r"module?\s+(?P<module>[^,;?!]{1,120}?)\s*(?=[,;?!]|$)",
    re.IGNORECASE,
)


def _read_creation(text: str, today: date | None, modules: Sequence[ModuleState]) -> Call | Say | None:
    if match := _match(_CREATE_TASK, text):
        return _creation("create_task", _rest_of(match), today, modules)
    if match := _match(_CREATE_GOAL, text):
        return _creation("create_goal", _rest_of(match), today, ())
    return None


def _rest_of(match: re.Match[str]) -> str:
    groups = match.groupdict()
    rest = groups["rest"] + (groups.get("more") or "")
    return rest[_NAMED.match(rest).end() :] if "more" not in groups else rest  # type: ignore[union-attr]  # may be empty


def _creation(tool: str, rest: str, today: date | None, modules: Sequence[ModuleState]) -> Call | Say:
    arguments: dict[str, Any] = {}
    quoted = _QUOTED.search(rest)
    if quoted:
        rest = rest[: quoted.start()] + rest[quoted.end() :]
    if tool == "create_task" and (found := _PRIORITY.search(rest)):
        arguments["priority"] = _PRIORITIES[str(found["before"] or found["after"] or found["alone"])[0].casefold()]
        rest = rest[: found.start()] + rest[found.end() :]
    if today:
        rest = _take_due_date(rest, today, arguments)
    if (within := _IN_MODULE.search(rest)) and (module := find_module(within["module"], modules)):
        arguments["module_id"] = str(module.id)
        rest = rest[: within.start()] + rest[within.end() :]
    title = " ".join((quoted["title"] if quoted else rest).split()).strip(' ,.;:!?–-"“”„«»')
    return Call(tool, {"title": title[:300], **arguments}) if title else Say("what_title")


def _take_due_date(text: str, today: date, arguments: dict[str, Any]) -> str:
    """`text` without the words of its due date, which goes into `arguments`."""
    found = find_date(text, today)
    if found is None:
        return text
    lead = _BEFORE_DATE.search(text[: found.start])
    start = lead.start() if lead else found.start
    ends = not text[found.end :].strip(" .!?)") or text[found.end :].lstrip()[:1] in ",;)"
    if text[start : found.start].strip(" ,;(") or ends:
        arguments["due_date"] = found.day.isoformat()
        return text[:start] + " " + text[found.end :].lstrip(" )")
    return text  # a day in the middle of a title, as in "watch Friday Night Lights"


def _read_progress(text: str, modules: Sequence[ModuleState]) -> Call | Say | None:
    for form in _PROGRESS:
        match = form.fullmatch(text)
        if match is None:
            continue
        module, named = find_module(match["module"], modules), _MODULE_WORD.match(match["module"])
        if module:
            done = _percentage(match["done"])
            if done > 100:
                return Say("wrong_percentage")
            return Call("update_module_progress", {"module_id": str(module.id), "completion_percentage": done})
        if named:
            return Say("which_module" if modules else "no_modules")
    return Say("what_percentage") if _match(_PROGRESS_WITHOUT_FIGURE, text) else None


def _percentage(text: str) -> int:
    figure = re.match(r"\d+", text)
    if figure:
        return int(figure[0])
    return 50 if text.casefold().startswith(("half", "halb")) else 100


_MODULE_WORD: Final = re.compile(
    r"(?:the\s+|das\s+|dem\s+)?module?\b(?:\s*(?:no\.?|nr\.?|number|nummer|#))?\s*", re.IGNORECASE
)

_AROUND_MODULE: Final = re.compile(r"^(?:the|das|dem)\s+|\s+module?$", re.IGNORECASE)


def find_module(reference: str, modules: Sequence[ModuleState]) -> ModuleState | None:
    """The one module that `reference` can mean: by number, by title, or by a part of one title; else None."""
    named = _MODULE_WORD.match(reference)
    rest = reference[named.end() :] if named else _AROUND_MODULE.sub("", reference)
    wanted = rest.strip(" \"'“”„«»:").casefold()
    if not wanted:
        return modules[0] if named and len(modules) == 1 else None
    if wanted.isdecimal() and named:
        place = int(wanted)
        titled = [module for module in modules if re.search(rf"\bmodule?\s+{place}\b", module.title, re.IGNORECASE)]
        if len(titled) == 1:
            return titled[0]
        return _only(module for module in modules if module.place == place)
    return _only(module for module in modules if module.title.casefold() == wanted) or _only(
        module for module in modules if len(wanted) >= 3 and wanted in module.title.casefold()
    )


def _only(found: Iterator[ModuleState]) -> ModuleState | None:
    first, second = next(found, None), next(found, None)
    return first if second is None else None
