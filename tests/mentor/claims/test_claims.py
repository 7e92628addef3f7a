"""What an answer says was done is found, and what only sounds like it is not."""

import gc
import time
import unicodedata
from pathlib import Path
from typing import get_args

import pytest

from assistant.mentor.claims.backing import unbacked
from assistant.mentor.claims.detection import find_claims
from assistant.mentor.claims.requests import asks_to_act
from assistant.mentor.claims.vocabulary import build_words
from assistant.mentor.offline.phrases import PHRASES
from tests.mentor.claims.measure import LANGUAGES, Half, Row, load, measure


@pytest.mark.parametrize("half", ["development", "held_out"])
def test_claims_are_found_as_well_as_is_said(half: Half) -> None:
    scores = measure(load(half))
    for language, score in scores.items():
        assert score.precision >= 0.95, (language, score.wrong)
        assert score.recall >= 0.9, (language, score.missed)


def test_the_page_has_the_figures() -> None:
    page = (Path(__file__).parents[3] / "docs" / "mentor.md").read_text(encoding="utf-8")
    for half in get_args(Half):
        for language, score in measure(load(half)).items():
            claims = score.found + len(score.missed)
            figures = f"{score.total} | {claims} | {score.precision:.3f} | {score.recall:.3f}"
            assert f"| {half.replace('_', ' ')} | {language} | {figures} |" in page


def test_no_phrase_has_two_meanings() -> None:
    with pytest.raises(ValueError, match="“put” stands twice"):
        build_words({"A": "put"}, {"created": "put"}, {}, [])


def test_the_labelled_set_is_fit_to_measure_with() -> None:
    halves: list[list[Row]] = [load("development"), load("held_out")]
    texts = [(row.text, row.asked) for rows in halves for row in rows]
    assert len(set(texts)) == len(texts) >= 300
    for rows in halves:
        for language in LANGUAGES:
            of_language = [row for row in rows if row.language == language]
            claims = sum(bool(row.claims) for row in of_language)
            assert len(of_language) >= 50
            assert 0.35 <= claims / len(of_language) <= 0.65


def labels(text: str, *, asked: bool = False) -> list[str]:
    return [f"{claim.kind} {claim.object} {claim.count}" for claim in find_claims(text, asked=asked)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I've created a goal and two tasks.", ["created goal 1", "created task 2"]),
        ("I added the task. I also set your progress to 40 %.", ["created task 1", "changed progress 1"]),
        ("Beide Aufgaben wurden verschoben.", ["changed task 2"]),
        ("He marcado el módulo 2 como completado.", ["completed module 1"]),
        ("J'ai supprimé trois tâches.", ["deleted task 3"]),
        ("I updated the priority.", ["changed task 1"]),
        ("The task was created on Monday.", []),
        ("I've created the task [1].", ["created task 1"]),
        ("The task was created [1].", []),
        ("```\nI've created the task.\n```", []),
        ("> I've created the task.", []),
        ("She said: “I've created the task.”", []),
    ],
)
def test_what_a_sentence_claims(text: str, expected: list[str]) -> None:
    assert labels(text) == expected


def test_a_bare_done_is_a_claim_only_after_a_request() -> None:
    for text in ("Done.", "Erledigt!", "¡Listo!", "C'est fait."):
        assert labels(text) == []
        assert labels(text, asked=True) == ["done it 1"]


def test_a_claim_has_its_sentence_and_what_that_names() -> None:
    text = 'Sure. I\'ve added "Read", "Write" and "Rest" to your tasks. Anything else?'
    (claim,) = find_claims(text)
    assert claim.sentence == 'I\'ve added "Read", "Write" and "Rest" to your tasks.'
    assert claim.titles == ("Read", "Write", "Rest")


def test_accents_may_be_written_apart() -> None:
    assert labels(unicodedata.normalize("NFD", "He añadido la tarea al módulo.")) == ["created task 1"]


@pytest.mark.parametrize("language", sorted(PHRASES))
def test_what_the_offline_mentor_did_is_borne_out(language: str) -> None:
    phrases = PHRASES[language]
    said = {
        "create_task": phrases.task_created.format(title="Buy rope", details=""),
        "create_goal": phrases.goal_created.format(title="Sail", details=""),
        "update_module_progress": phrases.progress_set.format(title="Knots", percentage=50),
    }
    for tool, text in said.items():
        assert unbacked(find_claims(text, asked=True), [tool]) == []


@pytest.mark.parametrize(
    ("text", "executed", "false"),
    [
        ("I've created the task.", [], 1),
        ("I've created the task.", ["create_task"], 0),
        ("I've created the task.", ["create_goal"], 1),
        ("I've created the task and the goal.", ["create_task"], 1),
        ("I've created two tasks.", ["create_task"], 1),
        ("I've created two tasks.", ["create_task", "create_task"], 0),
        ('I\'ve added "Read". I\'ve also added "Write".', ["create_task"], 2),
        ('I\'ve added "Read". Then I\'ve put "read" in your list.', ["create_task"], 0),
        ("I've set the priority to high.", ["create_task"], 0),
        ("I've scheduled the task for Friday.", ["update_task"], 0),
        ("I've marked the task as done.", ["create_task"], 1),
        ("I've marked the module as complete.", ["update_module_progress"], 0),
        ("I've deleted the task.", ["create_task"], 1),
        ("I've deleted the task.", ["delete_task"], 0),
        ("I've emailed your coach.", ["create_task"], 1),
        ("I've emailed your coach.", ["send_email"], 0),
        ("Done!", ["update_goal"], 0),
        ("Done!", [], 1),
    ],
)
def test_a_claim_is_held_against_what_was_executed(text: str, executed: list[str], false: int) -> None:
    assert len(unbacked(find_claims(text, asked=True), executed)) == false


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Add a task: read", True),
        ("Could you mark module 2 as done, please?", True),
        ("Yes.", True),
        ("Thanks! Did you add the task?", False),
        ("And did you add it?", False),
        ("What is a bowline?", False),
        ("How do I add a task?", False),
        ("Remind me to buy a rope on Friday", True),
        ("I have finished module 1", True),
        ("Add: read chapter 2", True),
        ("Yes, please", True),
        ("Go ahead!", True),
        ("Yes, I know that already from the first chapter", False),
        ("Add an example, please", False),
        ("Can you change the second sentence?", False),
        ("Create a quiz about knots", False),
        ("Explain it again", False),
        ("Check my answer", False),
        ("> Add a task\nWhat does that mean?", False),
        ("What does “add a task” mean?", False),
        ("Kannst du Modul 2 abschließen?", True),
        ("Ja, mach das", True),
        ("Erstelle mir Übungsaufgaben", False),
        ("Ändere den zweiten Satz", False),
        ("Wurde die Aufgabe angelegt?", False),
        ("¿Puedes añadir una tarea?", True),
        ("Sí, hazlo", True),
        ("Añade un ejemplo", False),
        ("¿Qué tareas hay?", False),
        ("Oui, vas-y", True),
        ("Peux-tu supprimer la tâche ?", True),
        ("Ajoute un exemple", False),
        ("Leg bitte eine Aufgabe an", True),
        ("Hast du sie hinzugefügt?", False),
        ("Pon mi progreso al 50 %", True),
        ("¿Has creado la tarea?", False),
        ("Ajoute une tâche", True),
        ("As-tu ajouté la tâche ?", False),
        ("", False),
    ],
)
def test_a_request_to_act_is_told_from_a_question(message: str, expected: bool) -> None:
    assert asks_to_act(message) is expected


HOSTILE = [
    "i ",
    "task ",
    "I've added ",
    "ich habe ",
    "se ",
    "task has been and ",
    "a,",
    '"',
    "'a ",
    "«",
    "„",
    "`",
    "`a",
    "~~~\n",
    ">\n",
    "[1",
    "(",
    "e\u0301",
    "I've created the task. ",
    "Task created? ",
    "\ue000",
]


@pytest.mark.parametrize("piece", HOSTILE, ids=repr)
def test_time_grows_with_the_length_alone(piece: str) -> None:
    def cpu_seconds(size: int) -> float:
        text = piece * (size // len(piece))
        gc.disable()  # its passes take the longer, the more tests have run before
        began = time.process_time()
        find_claims(text, asked=True)
        taken = time.process_time() - began
        gc.enable()
        return taken

    short = min(cpu_seconds(4_000) for _ in range(3))
    assert cpu_seconds(64_000) < 64 * short  # 16 times the length; with its square it would be 256
