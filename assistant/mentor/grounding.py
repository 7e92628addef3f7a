"""`grounding: strict`: what of an answer may be said, once the answer is whole and its sources are verified.

    has a verified mark              stays
    leads in ("There are two: …")    stays if what it leads to does; its own mark counts for the list below it
    a question                       stays
    nothing but small talk           stays: "Here is what I found.", "I can search with other words."
    about the learner's own things   stays: its words and all its figures stand in the state or in a tool's result
    anything else                    is left out

A sieve, not a judge: whether a source supports its sentence is for the reader, who is shown the quote. Where nothing of
substance is left, the answer is one sentence: that the documents do not say it.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Final

from assistant.knowledge.language import detect_language
from assistant.knowledge.small_words import SMALL_WORDS
from assistant.mentor.citations import find_marks
from assistant.mentor.offline.phrases import phrases_in
from assistant.mentor.sentences import Kind, split_sentences, stems

OWN_SHARE: Final = 2 / 3
"""Of a sentence's telling words that must stand in the state or in a tool's result. With fewer, chance would do: a
space about sailing has that word in its title."""


@dataclass(frozen=True, slots=True)
class Grounded:
    """What may be said, and how many sentences may not."""

    text: str
    withheld: int


@dataclass(slots=True)
class _Piece:
    """A sentence with the marks behind it, at `text[start:end]`."""

    start: int
    end: int
    kind: Kind
    item: bool
    """It stands in a list or a table."""
    substance: bool = False
    kept: bool = False


def ground(
    text: str,
    sourced: Collection[int],
    own: Sequence[str],
    *,
    language: str,
    searched: bool = True,
    acted: bool = False,
) -> Grounded:
    """What of `text` holds. `sourced` are the marks whose quotes are verified, `own` texts that tell of the learner.

    Where sentences are left out and the rest says nothing, it is told in `language` that the documents do not say it,
    or that they could not be `searched`; but not where the mentor `acted`, since then its results speak.
    """
    pieces = list(_pieces(text))
    small = _small_words(detect_language(text, language))
    _judge(text, pieces, sourced, own, small)
    _lead_in(text, pieces)
    withheld = sum(not piece.kept and piece.kind != "heading" for piece in pieces)
    if not withheld:
        return Grounded(text, 0)
    if not acted and not any(piece.kept and piece.substance for piece in pieces):
        phrases = phrases_in(language)
        return Grounded(phrases.nothing if searched else phrases.unsearched, withheld)
    return Grounded(_without(text, [piece for piece in pieces if not piece.kept]), withheld)


_MARK: Final = r"\[\d{1,3}(?:[ \t]*,[ \t]*\d{1,3})*\]"
_MARKS_BEFORE: Final = re.compile(rf"(?:{_MARK}[ \t]*)+[.,;]?")
_MARKS_BEHIND: Final = re.compile(rf"[.!?…][\"'»”’)*_]*[ \t]*(?:{_MARK}[ \t]*)+\s*(?=[^\s.,;:!?)\]])")
_ITEM: Final = re.compile(r"[ \t]*(?:>[ \t]*)*(?:[-*+•]|\d{1,3}[.)])[ \t]")


def _pieces(text: str) -> Iterator[_Piece]:
    """Sentences, in order. Marks behind a full stop belong to the sentence that it ends."""
    last: _Piece | None = None
    for sentence in split_sentences(text):
        start = sentence.start
        marks = _MARKS_BEFORE.match(text, start, sentence.end) if sentence.kind == "prose" else None
        if marks and last and last.kind == "prose" and "\n\n" not in text[last.end : start]:
            last.end = start + len(marks[0].rstrip())
            start = _skip_space(text, marks.end(), sentence.end)
        if last:
            yield last
            last = None
        item = sentence.kind == "table" or bool(_ITEM.match(text, text.rfind("\n", 0, sentence.start) + 1))
        for cut in _cuts(text, start, sentence.end) if sentence.kind == "prose" else ():
            yield _Piece(start, start + len(text[start:cut].rstrip()), "prose", item)
            start = cut
        if start < sentence.end:
            last = _Piece(start, sentence.end, sentence.kind, item)
    if last:
        yield last


def _cuts(text: str, start: int, end: int) -> Iterator[int]:
    """Where sentences begin behind the marks of the one before, as in "It is so.[1] And so on."."""
    return (
        match.end()
        for match in _MARKS_BEHIND.finditer(text, start, end)
        if match.end() < end and not text[match.end()].islower()
    )


def _skip_space(text: str, position: int, end: int) -> int:
    while position < end and text[position].isspace():
        position += 1
    return position


def _judge(
    text: str,
    pieces: Sequence[_Piece],
    sourced: Collection[int],
    own: Sequence[str],
    small: Collection[str],
) -> None:
    """Decide on each piece by itself."""
    marks = [mark.start for mark in find_marks(text) if any(index in sourced for index in mark.indexes)]
    material = _ID.sub(" ", "\n".join(own))
    known, figures = set(stems(material)), _figures(material)
    position = 0
    for piece in pieces:
        while position < len(marks) and marks[position] < piece.start:
            position += 1
        said = _MARK_OR_MARKUP.sub(" ", text[piece.start : piece.end])
        telling = [stem for stem in stems(said) if stem not in small]
        if position < len(marks) and marks[position] < piece.end:
            piece.kept = piece.substance = True
        elif not _ANSWERED.match(said) and len(telling) <= _may_tell(said):
            piece.kept = piece.kind != "heading"
        elif (
            telling and sum(stem in known for stem in telling) >= OWN_SHARE * len(telling) and _figures(said) <= figures
        ):
            piece.kept = piece.substance = piece.kind in ("prose", "table")
        else:
            piece.kept = piece.kind == "prose" and said.rstrip(" \"'»”’)*_").endswith(("?", "？"))


def _lead_in(text: str, pieces: Sequence[_Piece]) -> None:
    """Decide on what depends on its neighbours: first on what stands above, then on what follows."""
    covered = False
    for before, piece in pairwise(pieces):
        covered = piece.item and (covered if before.item else before.substance and _leads(text, before))
        if covered:
            piece.kept = piece.substance = True
        elif piece.kind == "code":
            piece.kept = before.kept
    section = table = False  # whether anything further down in it is kept
    after: _Piece | None = None
    for piece in reversed(pieces):
        table = piece.kind == "table" and (table or piece.kept)
        if piece.kind == "heading":
            piece.kept = section or (after is not None and after.kind == "heading" and after.kept)
        elif piece.kind == "table":
            piece.kept = piece.kept or (
                table and (_is_rule(text, piece) or (after is not None and _is_rule(text, after)))
            )
        elif _leads(text, piece) and not piece.substance:
            piece.kept = after is not None and after.kept
        section = piece.kind != "heading" and (section or piece.kept)
        after = piece


def _leads(text: str, piece: _Piece) -> bool:
    return _MARK_OR_MARKUP.sub("", text[piece.start : piece.end]).rstrip(" *_").endswith((":", "："))


def _is_rule(text: str, piece: _Piece) -> bool:
    """Whether it is the line of dashes below a table's head."""
    return piece.kind == "table" and not any(map(str.isalnum, text[piece.start : piece.end]))


_EMPTY_ITEM: Final = re.compile(r"^[ \t>]*(?:[-*+•]|\d{1,3}[.)])?[ \t]*(?:\[[ xX]\])?[ \t]*(?:#{1,6})?[ \t]*$")


def _without(text: str, left_out: Sequence[_Piece]) -> str:
    """`text` without these pieces, and without the lines of which nothing is left."""
    kept, position = [], 0
    for piece in left_out:
        kept.append(text[position : piece.start])
        position = piece.end
    kept.append(text[position:])
    touched = "\x00".join(kept)  # no answer holds one: where something is missing
    lines = [
        line for line in touched.split("\n") if "\x00" not in line or not _EMPTY_ITEM.match(line.replace("\x00", ""))
    ]
    whole = re.sub(r"(?m)^\x00+ *| *\x00+$", "", "\n".join(lines))
    return re.sub(r"\n{3,}", "\n\n", re.sub(r" *\x00+ *", " ", whole)).strip()


_MARK_OR_MARKUP: Final = re.compile(rf"{_MARK}|[*_`#|]+")
_ID: Final = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
_FIGURE: Final = re.compile(r"\d+")


def _may_tell(sentence: str) -> int:
    """How many telling words may be in it and it is talk all the same."""
    return 1 if _NOT.search(sentence) and _THERE.search(sentence) else 0


def _figures(text: str) -> set[str]:
    return {figure.lstrip("0") for figure in _FIGURE.findall(text)}


_TALK: Final = {
    "en": """
        do hello hi hey welcome thank thanks sorry sure okay ok alright good great nice glad happy course unfortunately
        however here there nothing something anything else other others further yet now again just still let go try take
        look see ask asked question questions answer answers answered say says said tell told mention mentioned contain
        contains cover covers hold holds state states found find finds search searched looking document documents
        passage passages source sources text texts space word words information detail details topic about directly
        based according following below above help know need want like wish feel free continue able unable cannot
        couldn't don't doesn't i'm i'll i've you'd there's here's that's what's us our am been being done add upload one
        none neither either any anybody anyone whole complete full wants wanted deeper mean means meaning meant read
        reads reading reply replies respond responds you me if going gone telling more less first before after maybe
        perhaps possible possibly please would could gladly certain unsure understand clear clearer clarify specify
        rephrase exactly precisely next previous earlier later point part parts section sections page pages file files
        open shown show shows given give gives provided provide refer refers relate related matter matters subject
        specific include includes included think thought believe seems seem appear appears quite really very much bit
        little far enough only merely simply purely entirely can't won't isn't aren't wasn't hasn't haven't it's i they
        they're what which
        """,
    "de": """
        hallo danke bitte gern gerne gut schön klar okay ok leider jedoch allerdings hier dazu darüber dort nichts etwas
        anderes weiteres jetzt noch wieder einfach versuch versuchen schau sieh frag frage fragen fragst antwort
        antworten antwortet sagen sagt gesagt erwähnt erwähnen enthält enthalten behandelt steht stehen finde finden
        gefunden suche suchen gesucht dokument dokumente dokumenten stelle stellen quelle quellen text texte texten raum
        raums wort wörter wörtern worten angaben thema direkt laut folgendes folgende helfen hilfe wissen weiß brauchst
        möchte möchtest willst magst soll könnte könntest melde weiter machen mir mich dir dich uns unsere mein meine
        dein deine deinen deiner deinem kein keine keinen keiner keinem diesem dieser diese dieses darin daraus da bin
        habe hast würde getan lade ergänze beantworten beantwortet wenn mehr weniger möchten kannst können könnt kann
        hinzufügen füge fügst hinzu gefragt gute guter gutes guten wollen will wollt lese lesen liest gelesen ganze
        ganzen ganzes gesamte gibt gäbe geben dafür davon darauf dabei damit bräuchte brauche brauchen benötige ob sein
        sei bist sicher unsicher verstehe verstehen verstanden meinst meinen gemeint genau genauer etwa vielleicht
        möglich eventuell erst zuerst danach vorher später nächste nächsten nächster abschnitt abschnitte seite seiten
        datei dateien teil teile zeige zeigen zeigt gezeigt passende passenden passt hilft helfe denke glaube scheint
        wohl ganz wirklich sehr viel wenig genug lediglich allein eine einen einem eines alles allem sonst weder ohne
        beziehen bezieht betrifft spezifisch konkret konkreter formulieren formuliere umformulieren nennen nenne genannt
        genannten
        """,
    "fr": """
        bonjour salut merci désolé désolée volontiers bien sûr d'accord bon malheureusement cependant ici voici voilà
        rien autre autres chose encore maintenant juste essaie essayer regarde demande demander question questions
        réponse réponses répondre répond répondent dit disent dire mentionne mentionnent contient contiennent parle
        parlent trouve trouvé trouver cherche chercher document documents passage passages source sources texte textes
        espace mot mots information informations détail détails sujet directement selon suivant aide aider sais savoir
        besoin veux voudrais souhaites peux puis continue continuer ai as suis es tu te moi toi mon ma mes ton ta tes
        notre nos votre vos y ni n'ai n'y d'autres j'ai aucun aucune cela ça ajoute n'en n'est c'est ce ceux celui celle
        dis dis-moi si plus moins peut pouvez pourrais ajouter ajoutez redemander redemande bonne bons bonnes tout tous
        toute toutes seulement uniquement avec sur sous comprendre comprends compris sûre certain certaine là-dessus
        dessus d'information mieux lire lis lu entier entière complet complète page pages partie parties section fichier
        fichiers suivante précédent avant après d'abord ensuite peut-être possible préciser précise précises exactement
        veux-tu peux-tu souhaites-tu pense crois semble vraiment très beaucoup peu assez simplement parler parlons
        concerne concernant sens signifie entends reformuler reformule montre montrer donné donne donner
        """,
    "es": """
        hola gracias perdón claro bien bueno vale lamentablemente desgraciadamente sin embargo aquí allí nada algo otra
        otras otro otros ahora todavía aún solo prueba probar mira pregunta preguntas preguntar respuesta respuestas
        responder responde responden dice dicen decir menciona mencionan contiene contienen habla hablan encuentro
        encontrado encontrar busco buscar documento documentos pasaje pasajes fuente fuentes texto textos espacio
        palabra palabras información detalle detalles tema directamente según siguiente ayuda ayudar sé saber necesito
        necesitas quiero quieres puedo puedes podría seguir continúa he has soy eres tú te mí ti mi mis tu tus yo me
        nuestro nuestra ni ningún ninguna ninguno eso esa ese añade dime si más menos sepas puede podemos añadir agregar
        volver vuelve vuelves preguntarme buena buenas buenos esto estos esas todo toda todos todas lo que solamente
        únicamente seguro segura estoy estás está son leer leo leído entero entera completo completa página páginas
        parte partes sección archivo archivos anterior antes después primero luego quizá quizás tal vez posible precisar
        exactamente quieres-que entiendo entender entendido creo parece realmente muy mucho poco bastante simplemente
        refieres refiere trata trate significa reformular mostrar muestro dado doy dar cada
        """,
}
"""Words of which a sentence can consist and still say nothing about the world. Neither yes, no nor numbers."""


@cache
def _small_words(language: str) -> frozenset[str]:
    small = f"{SMALL_WORDS.get(language, '')} {_TALK.get(language, '')}"
    return frozenset(stems(small))


_NOT: Final = re.compile(
    r"\b(?:no|not|nothing|none|\w+n['’]t|kein\w*|nichts?|nirgends|ni|nada|ningun\w*|ningún|ne|n['’]en|n['’]y|rien|aucun\w*)\b",
    re.IGNORECASE,
)
_THERE: Final = re.compile(
    r"\b(?:do[ck]ument\w*|passages?|pasajes?|sources?|quellen?|fuentes?|texte?s?|textos?|stellen?|here|hier|aquí|ici)\b",
    re.IGNORECASE,
)
"""What says that something is not in the documents may name it with one word of its own."""

_ANSWERED: Final = re.compile(r"\W*(?:no|nope|nein|non)\s*(?:[,.;:!–—-]|$)", re.IGNORECASE)
"""A small word that answers a question all by itself. Those for yes are no small words."""
