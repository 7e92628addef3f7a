"""What the offline mentor says in its own words, by language. All else that it says is quoted or was done."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final


@dataclass(frozen=True, slots=True)
class Phrases:
    """The sentences of one language. Values are put in by `str.format`, which never looks at them again."""

    found: str
    closest: str
    more: str
    nothing: str
    unsearched: str

    greeting: str
    thanks: str
    help: str
    requests: Sequence[tuple[str | None, str]]
    """What is understood, by example, each with the tool that it takes."""

    cannot: str
    which_module: str
    no_modules: str
    what_title: str
    what_percentage: str
    wrong_percentage: str
    progress: str
    no_progress: str
    next_step: str
    after_that: str
    module_begun: str
    module_next: str
    task_begun: str
    task_open: str
    goal_unplanned: str
    all_done: str
    nothing_planned: str

    gap_asked: str
    gap_hint: str
    gap_right: str
    gap_solved: str
    exam_asked: str
    exam_right: str
    exam_wrong: str
    exam_no_hint: str
    exam_done: str

    task_created: str
    goal_created: str
    progress_set: str
    tasks: str
    tasks_until: str
    no_tasks: str
    no_tasks_until: str
    documents: str
    no_documents: str
    further: str
    not_done: str
    forbidden: str
    misfit: str
    failed: str
    unclear: str

    due: str
    overdue: str
    priority: str
    priorities: Mapping[str, str]
    months: str

    def examples(self, tools: Collection[str]) -> str:
        """The requests that can be carried out with `tools`, as a list."""
        return "\n".join(f"- {example}" for tool, example in self.requests if tool is None or tool in tools)

    def date(self, day: date) -> str:
        """As it is written in the language: with the month's name where it has one here, else in figures."""
        if self.months:
            return f"{day.day} {self.months.split()[day.month - 1]} {day.year}"
        return f"{day:%d.%m.%Y}"


PHRASES: Final = {
    "en": Phrases(
        found="This is what the documents say:",
        closest="No passage answers this directly. This comes closest:",
        more="More on this:",
        nothing="I found nothing about this in the space's documents. Other words may find more, or add a"
        " document about it.",
        unsearched="The documents could not be searched just now, so I cannot say what they hold. Please ask again in a"
        " moment.",
        greeting="Hello! Ask me about the documents of this space, or say “help” to see what I can do.",
        thanks="You are welcome.",
        help="I answer from the documents of this space, in their own words and with the source. I also"
        " understand plain requests, such as:\n\n{requests}\n\nThere is no language model behind me here, so I"
        " quote and never make anything up.",
        requests=(
            ("list_tasks", "What is due?"),
            ("list_tasks", "List my tasks"),
            (None, "What next?"),
            (None, "How far am I?"),
            ("list_documents", "What documents are there?"),
            ("create_task", "Add a task: read chapter 2, due Friday, high priority"),
            ("create_goal", "Create a goal: sail round the island by 1 June"),
            ("update_module_progress", "Mark module 1 50 %"),
        ),
        cannot="I cannot do that here. Nothing was changed. What I can do:\n\n{requests}",
        which_module="Which module do you mean? There are:",
        no_modules="This space has no modules yet. Nothing was changed.",
        what_title="What is it to be called? For example: add a task: read chapter 2, due Friday",
        what_percentage="How far are you with it? For example: mark module 1 50 %",
        wrong_percentage="Progress goes from 0 to 100 %. Nothing was changed.",
        progress="You have reached {percentage} % in all:",
        no_progress="This space has no modules yet, so there is no progress to show.",
        next_step="Your next step: {step}",
        after_that="After that:",
        module_begun="module {place}, you are at {percentage} %",
        module_next="module {place}, the next one that you have not begun",
        task_begun="a task that you have begun",
        task_open="an open task",
        goal_unplanned="a goal for which nothing is planned yet",
        all_done="Nothing is left to do here: no task is open, and all modules are completed.",
        nothing_planned="Nothing is planned here yet: there are no modules and no open tasks.",
        gap_asked="Think first: which word belongs into the gap?\n\n{gap}\n\nThe sentence stands in {place}. If you"
        " give up, say so.",
        gap_hint="Not quite. The word has {letters} letters and begins with “{first}”. Which is it?\n\n{gap}",
        gap_right="Right, it is “{word}”:\n\n{quote}\n\nCan you say that in your own words?",
        gap_solved="It is “{word}”:\n\n{quote}\n\nCan you say that in your own words?",
        exam_asked="Here is your question: which word belongs into the gap?\n\n{gap}",
        exam_right="Correct, it is “{word}”:\n\n{quote}\n\nSay “next question” to go on.",
        exam_wrong="Not correct, it is “{word}”:\n\n{quote}\n\nSay “next question” to go on.",
        exam_no_hint="There are no hints before your answer. Which word belongs into the gap?\n\n{gap}",
        exam_done="I have no further question about this from the documents. Name another subject.",
        task_created="The task “{title}” is added{details}.",
        goal_created="The goal “{title}” is created{details}.",
        progress_set="“{title}” is now at {percentage} %.",
        tasks="Open tasks:",
        tasks_until="Due by {date}:",
        no_tasks="There are no open tasks in this space.",
        no_tasks_until="Nothing is due by {date}.",
        documents="The documents of this space, the newest first:",
        no_documents="This space has no documents yet.",
        further="… and {count} more.",
        not_done="That was not done: in this space I may not change this by myself. Nothing was changed. The space's"
        " owner can let me, by setting `ai_mentor_config.tools.{tool}` to `auto`.",
        forbidden="That was not done: you may not change this here.",
        misfit="That did not work: something in it does not fit here. Nothing was changed.",
        failed="That did not work just now. Please ask again in a moment.",
        unclear="I cannot tell what came of that. Please look whether it was done.",
        due="due {date}",
        overdue="overdue since {date}",
        priority="{priority} priority",
        priorities={"low": "low", "medium": "medium", "high": "high", "urgent": "urgent"},
        months="January February March April May June July August September October November December",
    ),
    "de": Phrases(
        found="Das steht dazu in den Dokumenten:",
        closest="Keine Stelle beantwortet das unmittelbar. Am nächsten kommt:",
        more="Mehr dazu:",
        nothing="Dazu habe ich in den Dokumenten dieses Raums nichts gefunden. Vielleicht helfen andere Wörter,"
        " oder ein Dokument darüber.",
        unsearched="Die Dokumente ließen sich gerade nicht durchsuchen, daher kann ich nicht sagen, was darin"
        " steht. Bitte frag gleich noch einmal.",
        greeting="Hallo! Frag mich etwas zu den Dokumenten dieses Raums, oder sag „Hilfe“, um zu sehen, was ich kann.",
        thanks="Gern geschehen.",
        help="Ich antworte aus den Dokumenten dieses Raums, in ihren eigenen Worten und mit der Quelle. Außerdem"
        " verstehe ich einfache Bitten wie:\n\n{requests}\n\nHier steht kein Sprachmodell hinter mir, deshalb"
        " zitiere ich und erfinde nichts.",
        requests=(
            ("list_tasks", "Was ist fällig?"),
            ("list_tasks", "Zeig meine Aufgaben"),
            (None, "Was kommt als Nächstes?"),
            (None, "Wie weit bin ich?"),
            ("list_documents", "Welche Dokumente gibt es?"),
            ("create_task", "Neue Aufgabe: Kapitel 2 lesen, bis Freitag, Priorität hoch"),
            ("create_goal", "Erstelle ein Ziel: einmal um die Insel segeln bis 1. Juni"),
            ("update_module_progress", "Setze Modul 1 auf 50 %"),
        ),
        cannot="Das kann ich hier nicht tun. Es wurde nichts geändert. Was ich kann:\n\n{requests}",
        which_module="Welches Modul meinst du? Es gibt:",
        no_modules="Dieser Raum hat noch keine Module. Es wurde nichts geändert.",
        what_title="Wie soll es heißen? Zum Beispiel: Neue Aufgabe: Kapitel 2 lesen, bis Freitag",
        what_percentage="Wie weit bist du damit? Zum Beispiel: Setze Modul 1 auf 50 %",
        wrong_percentage="Fortschritt geht von 0 bis 100 %. Es wurde nichts geändert.",
        progress="Insgesamt hast du {percentage} % erreicht:",
        no_progress="Dieser Raum hat noch keine Module, also gibt es keinen Fortschritt zu zeigen.",
        next_step="Dein nächster Schritt: {step}",
        after_that="Danach:",
        module_begun="Modul {place}, du bist bei {percentage} %",
        module_next="Modul {place}, das nächste, das du noch nicht begonnen hast",
        task_begun="eine Aufgabe, die du begonnen hast",
        task_open="eine offene Aufgabe",
        goal_unplanned="ein Ziel, für das noch nichts geplant ist",
        all_done="Hier ist nichts mehr zu tun: Keine Aufgabe ist offen, und alle Module sind abgeschlossen.",
        nothing_planned="Hier ist noch nichts geplant: Es gibt keine Module und keine offenen Aufgaben.",
        gap_asked="Denk erst nach: Welches Wort gehört in die Lücke?\n\n{gap}\n\nDer Satz steht in {place}. Wenn du"
        " aufgibst, sag es.",
        gap_hint="Nicht ganz. Das Wort hat {letters} Buchstaben und beginnt mit „{first}“. Welches ist es?\n\n{gap}",
        gap_right="Richtig, es ist „{word}“:\n\n{quote}\n\nKannst du das in eigenen Worten sagen?",
        gap_solved="Es ist „{word}“:\n\n{quote}\n\nKannst du das in eigenen Worten sagen?",
        exam_asked="Hier ist deine Frage: Welches Wort gehört in die Lücke?\n\n{gap}",
        exam_right="Richtig, es ist „{word}“:\n\n{quote}\n\nSag „nächste Frage“, um weiterzumachen.",
        exam_wrong="Nicht richtig, es ist „{word}“:\n\n{quote}\n\nSag „nächste Frage“, um weiterzumachen.",
        exam_no_hint="Vor deiner Antwort gibt es keine Hinweise. Welches Wort gehört in die Lücke?\n\n{gap}",
        exam_done="Dazu habe ich aus den Dokumenten keine weitere Frage. Nenn ein anderes Thema.",
        task_created="Die Aufgabe „{title}“ ist angelegt{details}.",
        goal_created="Das Ziel „{title}“ ist angelegt{details}.",
        progress_set="„{title}“ steht jetzt bei {percentage} %.",
        tasks="Offene Aufgaben:",
        tasks_until="Fällig bis {date}:",
        no_tasks="In diesem Raum gibt es keine offenen Aufgaben.",
        no_tasks_until="Bis {date} ist nichts fällig.",
        documents="Die Dokumente dieses Raums, die neuesten zuerst:",
        no_documents="In diesem Raum gibt es noch keine Dokumente.",
        further="… und {count} weitere.",
        not_done="Das wurde nicht getan: In diesem Raum darf ich das nicht von mir aus ändern. Es wurde nichts"
        " geändert. Wem der Raum gehört, kann es mir erlauben, mit `ai_mentor_config.tools.{tool}` auf `auto`.",
        forbidden="Das wurde nicht getan: Du darfst das hier nicht ändern.",
        misfit="Das hat nicht geklappt: Etwas daran passt hier nicht. Es wurde nichts geändert.",
        failed="Das hat gerade nicht geklappt. Bitte frag gleich noch einmal.",
        unclear="Ich kann nicht sagen, was daraus geworden ist. Bitte sieh nach, ob es getan wurde.",
        due="fällig am {date}",
        overdue="überfällig seit {date}",
        priority="Priorität {priority}",
        priorities={"low": "niedrig", "medium": "mittel", "high": "hoch", "urgent": "dringend"},
        months="",
    ),
    "es": Phrases(
        found="Esto dicen los documentos:",
        closest="Ningún pasaje lo responde directamente. Lo más cercano es:",
        more="Más sobre esto:",
        nothing="No he encontrado nada sobre esto en los documentos de este espacio. Prueba con otras palabras o"
        " añade un documento sobre el tema.",
        unsearched="Ahora mismo no se han podido consultar los documentos, así que no puedo decir qué contienen."
        " Vuelve a preguntar en un momento.",
        greeting="¡Hola! Pregúntame por los documentos de este espacio, o di «ayuda» para ver qué sé hacer.",
        thanks="De nada.",
        help="Respondo con los documentos de este espacio, con sus propias palabras y con la fuente. También"
        " entiendo peticiones sencillas, algunas solo en inglés o alemán, como:\n\n{requests}\n\nAquí no hay un"
        " modelo de lenguaje detrás de mí: cito y no invento nada.",
        requests=(
            ("list_tasks", "¿Qué tareas hay?"),
            (None, "¿Y ahora qué?"),
            (None, "¿Cuánto he avanzado?"),
            ("list_documents", "¿Qué documentos hay?"),
            ("create_task", "Add a task: read chapter 2, due Friday, high priority"),
            ("create_goal", "Create a goal: sail round the island by 1 June"),
            ("update_module_progress", "Mark module 1 50 %"),
        ),
        cannot="Eso no puedo hacerlo aquí. No se ha cambiado nada. Lo que sé hacer:\n\n{requests}",
        which_module="¿A qué módulo te refieres? Hay:",
        no_modules="Este espacio aún no tiene módulos. No se ha cambiado nada.",
        what_title="¿Cómo se debe llamar? Por ejemplo: add a task: read chapter 2, due Friday",
        what_percentage="¿Hasta dónde has llegado? Por ejemplo: mark module 1 50 %",
        wrong_percentage="El progreso va de 0 a 100 %. No se ha cambiado nada.",
        progress="En total has llegado al {percentage} %:",
        no_progress="Este espacio aún no tiene módulos, así que no hay progreso que mostrar.",
        next_step="Tu siguiente paso: {step}",
        after_that="Después:",
        module_begun="módulo {place}, vas por el {percentage} %",
        module_next="módulo {place}, el siguiente que no has empezado",
        task_begun="una tarea que has empezado",
        task_open="una tarea abierta",
        goal_unplanned="un objetivo para el que aún no hay nada planeado",
        all_done="Aquí no queda nada por hacer: no hay tareas abiertas y todos los módulos están completos.",
        nothing_planned="Aquí aún no hay nada planeado: no hay módulos ni tareas abiertas.",
        gap_asked="Piensa primero: ¿qué palabra falta en el hueco?\n\n{gap}\n\nLa frase está en {place}. Si te rindes,"
        " dilo.",
        gap_hint="No del todo. La palabra tiene {letters} letras y empieza por «{first}». ¿Cuál es?\n\n{gap}",
        gap_right="Correcto, es «{word}»:\n\n{quote}\n\n¿Puedes decirlo con tus propias palabras?",
        gap_solved="Es «{word}»:\n\n{quote}\n\n¿Puedes decirlo con tus propias palabras?",
        exam_asked="Esta es tu pregunta: ¿qué palabra falta en el hueco?\n\n{gap}",
        exam_right="Correcto, es «{word}»:\n\n{quote}\n\nDi «siguiente pregunta» para continuar.",
        exam_wrong="No es correcto, es «{word}»:\n\n{quote}\n\nDi «siguiente pregunta» para continuar.",
        exam_no_hint="Antes de tu respuesta no hay pistas. ¿Qué palabra falta en el hueco?\n\n{gap}",
        exam_done="No tengo más preguntas de los documentos sobre esto. Di otro tema.",
        task_created="La tarea «{title}» está añadida{details}.",
        goal_created="El objetivo «{title}» está creado{details}.",
        progress_set="«{title}» está ahora al {percentage} %.",
        tasks="Tareas abiertas:",
        tasks_until="Para hacer hasta el {date}:",
        no_tasks="No hay tareas abiertas en este espacio.",
        no_tasks_until="No hay nada que venza hasta el {date}.",
        documents="Los documentos de este espacio, primero los más nuevos:",
        no_documents="Este espacio aún no tiene documentos.",
        further="… y {count} más.",
        not_done="No se ha hecho: en este espacio no puedo cambiar esto por mi cuenta. No se ha cambiado nada. Quien"
        " tiene el espacio puede permitírmelo poniendo `ai_mentor_config.tools.{tool}` en `auto`.",
        forbidden="No se ha hecho: aquí no puedes cambiar esto.",
        misfit="No ha funcionado: algo no encaja aquí. No se ha cambiado nada.",
        failed="Ahora mismo no ha funcionado. Vuelve a pedirlo en un momento.",
        unclear="No puedo decir en qué ha quedado. Mira si se ha hecho.",
        due="para el {date}",
        overdue="vencida desde el {date}",
        priority="prioridad {priority}",
        priorities={"low": "baja", "medium": "media", "high": "alta", "urgent": "urgente"},
        months="",
    ),
    "fr": Phrases(
        found="Voici ce que disent les documents :",
        closest="Aucun passage n'y répond directement. Le plus proche est :",
        more="À lire aussi :",
        nothing="Je n'ai rien trouvé à ce sujet dans les documents de cet espace. Essaie d'autres mots, ou ajoute un"
        " document qui en parle.",
        unsearched="Les documents n'ont pas pu être consultés à l'instant ; je ne peux donc pas dire ce qu'ils"
        " contiennent. Repose la question dans un moment.",
        greeting="Bonjour ! Pose-moi une question sur les documents de cet espace, ou dis « aide » pour voir ce que je"
        " sais faire.",
        thanks="Je t'en prie.",
        help="Je réponds avec les documents de cet espace, dans leurs propres mots et avec la source. Je"
        " comprends aussi des demandes simples, certaines seulement en anglais ou en allemand, comme :"
        "\n\n{requests}\n\nIl n'y a pas de modèle de langue derrière moi ici : je cite et je n'invente rien.",
        requests=(
            ("list_tasks", "Quelles sont mes tâches ?"),
            (None, "Et maintenant ?"),
            (None, "Où en suis-je ?"),
            ("list_documents", "Quels documents y a-t-il ?"),
            ("create_task", "Add a task: read chapter 2, due Friday, high priority"),
            ("create_goal", "Create a goal: sail round the island by 1 June"),
            ("update_module_progress", "Mark module 1 50 %"),
        ),
        cannot="Je ne peux pas faire cela ici. Rien n'a été changé. Ce que je sais faire :\n\n{requests}",
        which_module="De quel module parles-tu ? Il y a :",
        no_modules="Cet espace n'a pas encore de modules. Rien n'a été changé.",
        what_title="Comment doit-elle s'appeler ? Par exemple : add a task: read chapter 2, due Friday",
        what_percentage="Où en es-tu ? Par exemple : mark module 1 50 %",
        wrong_percentage="La progression va de 0 à 100 %. Rien n'a été changé.",
        progress="En tout, tu as atteint {percentage} % :",
        no_progress="Cet espace n'a pas encore de modules, il n'y a donc pas de progression à montrer.",
        next_step="Ta prochaine étape : {step}",
        after_that="Ensuite :",
        module_begun="module {place}, tu en es à {percentage} %",
        module_next="module {place}, le prochain que tu n'as pas commencé",
        task_begun="une tâche que tu as commencée",
        task_open="une tâche ouverte",
        goal_unplanned="un objectif pour lequel rien n'est encore prévu",
        all_done="Il ne reste rien à faire ici : aucune tâche n'est ouverte et tous les modules sont terminés.",
        nothing_planned="Rien n'est encore prévu ici : il n'y a ni modules ni tâches ouvertes.",
        gap_asked="Réfléchis d'abord : quel mot manque ici ?\n\n{gap}\n\nLa phrase se trouve dans {place}. Si tu"
        " abandonnes, dis-le.",
        gap_hint="Pas tout à fait. Le mot a {letters} lettres et commence par « {first} ». Lequel est-ce ?\n\n{gap}",
        gap_right="C'est juste : « {word} ».\n\n{quote}\n\nPeux-tu le dire avec tes propres mots ?",
        gap_solved="Le mot est « {word} ».\n\n{quote}\n\nPeux-tu le dire avec tes propres mots ?",
        exam_asked="Voici ta question : quel mot manque ici ?\n\n{gap}",
        exam_right="C'est juste : « {word} ».\n\n{quote}\n\nDis « question suivante » pour continuer.",
        exam_wrong="Ce n'est pas juste : « {word} ».\n\n{quote}\n\nDis « question suivante » pour continuer.",
        exam_no_hint="Il n'y a pas d'indice avant ta réponse. Quel mot manque ici ?\n\n{gap}",
        exam_done="Je n'ai pas d'autre question tirée des documents à ce sujet. Donne un autre thème.",
        task_created="La tâche « {title} » est ajoutée{details}.",
        goal_created="L'objectif « {title} » est créé{details}.",
        progress_set="« {title} » est maintenant à {percentage} %.",
        tasks="Tâches ouvertes :",
        tasks_until="À faire d'ici au {date} :",
        no_tasks="Il n'y a pas de tâche ouverte dans cet espace.",
        no_tasks_until="Rien n'est à rendre d'ici au {date}.",
        documents="Les documents de cet espace, les plus récents d'abord :",
        no_documents="Cet espace n'a pas encore de documents.",
        further="… et {count} de plus.",
        not_done="Cela n'a pas été fait : dans cet espace, je ne peux pas changer cela de moi-même. Rien n'a été"
        " changé. Le propriétaire de l'espace peut me le permettre en mettant `ai_mentor_config.tools.{tool}` sur"
        " `auto`.",
        forbidden="Cela n'a pas été fait : tu ne peux pas changer cela ici.",
        misfit="Cela n'a pas marché : quelque chose ne convient pas ici. Rien n'a été changé.",
        failed="Cela n'a pas marché à l'instant. Redemande-le dans un moment.",
        unclear="Je ne peux pas dire ce qu'il en est. Regarde si cela a été fait.",
        due="pour le {date}",
        overdue="en retard depuis le {date}",
        priority="priorité {priority}",
        priorities={"low": "basse", "medium": "moyenne", "high": "haute", "urgent": "urgente"},
        months="",
    ),
}


def phrases_in(language: str) -> Phrases:
    """Those of the language, given as a code such as `de` or `de-AT`; English where there are none."""
    return PHRASES.get(language.casefold().replace("_", "-").partition("-")[0], PHRASES["en"])
