"""Which language a text is in, as far as search needs to know."""

import pytest

from assistant.knowledge.language import OTHER, UNKNOWN, detect_language

SAMPLES = {
    "en": "The boat that is on the right has to keep its course, and the other one gives way to it.",
    "de": "Das Boot, das von rechts kommt, muss seinen Kurs halten, und das andere weicht ihm aus.",
    "fr": "Le bateau qui vient de la droite garde son cap, et l'autre doit lui laisser le passage dans la baie.",
    "es": "El barco que viene por la derecha mantiene su rumbo, y el otro le cede el paso en la bahía.",
    "pt": "O barco que vem da direita mantém o seu rumo, e o outro não deve cruzar a sua frente na baía.",
    "it": "La barca che viene da destra mantiene la sua rotta, e l'altra non deve passare davanti nella baia.",
    "nl": "De boot die van rechts komt houdt zijn koers, en de andere moet voor hem uitwijken in het water.",
    "sv": "Den båt som kommer från höger håller sin kurs, och den andra ska väja för den på vattnet.",
    "pl": "Łódź, która płynie z prawej strony, nie zmienia kursu, a druga musi jej ustąpić na wodzie.",
    "tr": "Sağdan gelen bir tekne rotasını korur ve diğer tekne ona yol vermek için çok dikkatli olur.",
    "vi": "Chiếc thuyền đến từ bên phải giữ hướng đi của nó và những chiếc khác không được cản trong vịnh.",
    "ru": "Лодка, идущая справа, сохраняет курс, а другая уступает ей дорогу.",
    "el": "Το σκάφος που έρχεται από δεξιά κρατά την πορεία του.",
    "ar": "يحافظ القارب القادم من اليمين على مساره ويفسح له الآخر الطريق.",
    "hi": "दाईं ओर से आने वाली नाव अपना रास्ता बनाए रखती है।",
    "zh": "从右边来的船保持航向，另一艘船让路。",
    "ja": "右から来る船は進路を保ち、もう一方の船が道を譲ります。",
    "ko": "오른쪽에서 오는 배는 항로를 유지한다.",
    "th": "เรือที่มาจากทางขวารักษาเส้นทางของมัน",
    OTHER: "ნავი, რომელიც მარჯვნიდან მოდის, კურსს ინარჩუნებს.",
}


@pytest.mark.parametrize(("language", "text"), SAMPLES.items())
def test_a_sentence_shows_its_language(language: str, text: str) -> None:
    assert detect_language(text) == language
    assert detect_language(text, "en") == language


@pytest.mark.parametrize("text", ["", "   ", "12:30", "BGP OSPF MPLS", "def f(x): return x + 1", "Ada Lovelace"])
def test_what_does_not_say_is_the_default(text: str) -> None:
    assert detect_language(text) == UNKNOWN
    assert detect_language(text, "de") == "de"


def test_foreign_names_do_not_make_a_text_foreign() -> None:
    text = "Los Angeles, San Francisco and Los Altos have teams: the Los Angeles Rams, the Los Angeles Lakers."
    assert detect_language(text) in ("en", UNKNOWN)
    assert detect_language("Is La Traviata by Verdi?", "en") == "en"


def test_a_few_words_of_another_script_do_not_decide() -> None:
    assert detect_language("The Greek letters α and β are used for the angles of attack in this chapter.") == "en"
