"""Due dates in plain English and German: "by Friday", "in two weeks", "bis 3. Mai", "2026-12-01"."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final


@dataclass(frozen=True, slots=True)
class FoundDate:
    """A day, and the words for it at `text[start:end]`."""

    day: date
    start: int
    end: int


_WEEKDAYS: Final = {
    **dict.fromkeys(("monday", "montag"), 0),
    **dict.fromkeys(("tuesday", "dienstag"), 1),
    **dict.fromkeys(("wednesday", "mittwoch"), 2),
    **dict.fromkeys(("thursday", "donnerstag"), 3),
    **dict.fromkeys(("friday", "freitag"), 4),
    **dict.fromkeys(("saturday", "samstag", "sonnabend"), 5),
    **dict.fromkeys(("sunday", "sonntag"), 6),
}
_MONTHS: Final = "jan feb mar apr may jun jul aug sep oct nov dec".split()  # noqa: SIM905  # easier to read as a row
_GERMAN_MONTHS: Final = {"mär": 3, "mai": 5, "okt": 10, "dez": 12}
_NUMBERS: Final = {
    word: number
    for number, words in enumerate(
        ("a|an|one|ein|eine|einem|einer", "two|zwei", "three|drei", "four|vier", "five|fünf", "six|sechs"), 1
    )
    for word in words.split("|")
}
_NAMED_DAYS: Final = {
    "the day after tomorrow": 2,
    "übermorgen": 2,
    "today": 0,
    "tonight": 0,
    "heute": 0,
    "tomorrow": 1,
    "morgen": 1,
    "next week": 7,
    "nächste woche": 7,
    "nächster woche": 7,
}
_MONTH_NAME: Final = (
    r"(?P<month>jan(?:uary|uar)?|feb(?:ruary|ruar)?|mar(?:ch)?|märz?|apr(?:il)?|may|mai|june?|juni|july?|juli|aug(?:ust)?"
    r"|sept?(?:ember)?|oct(?:ober)?|okt(?:ober)?|nov(?:ember)?|dec(?:ember)?|dez(?:ember)?)\.?"
)
_YEAR: Final = r"(?:,?\s+(?P<year>20\d\d))?"


def _pattern(words: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w)(?:{words})(?!\w)", re.IGNORECASE)


def _iso(match: re.Match[str], today: date) -> date:
    return date(int(match["year"]), int(match["month"]), int(match["day"]))


def _figures(match: re.Match[str], today: date) -> date:
    year = int(match["year"]) if match["year"] else today.year
    return _not_past(date(year + 2000 if year < 100 else year, int(match["month"]), int(match["day"])), today, match)


def _named_month(match: re.Match[str], today: date) -> date:
    name = match["month"][:3].casefold()
    month = _GERMAN_MONTHS.get(name) or _MONTHS.index(name) + 1
    year = int(match["year"]) if match["year"] else today.year
    return _not_past(date(year, month, int(match["day"])), today, match)


def _not_past(day: date, today: date, match: re.Match[str]) -> date:
    """A day without a year is the next one of that name."""
    return day if match["year"] or day >= today else day.replace(year=day.year + 1)


def _named_day(match: re.Match[str], today: date) -> date:
    return today + timedelta(days=_NAMED_DAYS[" ".join(match[0].casefold().split())])


def _weekday(match: re.Match[str], today: date) -> date:
    ahead = (_WEEKDAYS[match["weekday"].casefold()] - today.weekday()) % 7
    return today + timedelta(days=ahead or 7)


def _distance(match: re.Match[str], today: date) -> date:
    number = _NUMBERS.get(match["number"].casefold()) or int(match["number"])
    days = {"d": 1, "t": 1, "w": 7, "m": 30}[match["unit"][0].casefold()]
    return today + timedelta(days=number * days)


_FORMS: Final[tuple[tuple[re.Pattern[str], Callable[[re.Match[str], date], date]], ...]] = (
    (_pattern(r"(?P<year>20\d\d)-(?P<month>\d\d)-(?P<day>\d\d)"), _iso),
    (_pattern(r"(?P<day>\d{1,2})\.\s?(?P<month>\d{1,2})\.(?:\s?(?P<year>20\d\d|\d\d))?"), _figures),
    (_pattern(rf"(?P<day>\d{{1,2}})(?:st|nd|rd|th|\.)?\s+(?:of\s+)?{_MONTH_NAME}{_YEAR}"), _named_month),
    (_pattern(rf"{_MONTH_NAME}\s+(?P<day>\d{{1,2}})(?:st|nd|rd|th)?{_YEAR}"), _named_month),
    (_pattern("|".join(re.escape(name).replace(r"\ ", r"\s+") for name in _NAMED_DAYS)), _named_day),
    (
        _pattern(rf"(?:(?:next|this|nächste[nr]?|diese[nr]?|kommende[nr]?)\s+)?(?P<weekday>{'|'.join(_WEEKDAYS)})"),
        _weekday,
    ),
    (
        _pattern(
            rf"in\s+(?P<number>\d{{1,3}}|{'|'.join(_NUMBERS)})\s+"
            r"(?P<unit>days?|tag(?:en|e)?|weeks?|wochen?|months?|monat(?:en|e)?)"
        ),
        _distance,
    ),
)


def find_date(text: str, today: date) -> FoundDate | None:
    """The first day that `text` names, in the order of the forms above; None: none, or one that does not exist."""
    for pattern, read in _FORMS:
        match = pattern.search(text)
        if match:
            try:
                return FoundDate(read(match, today), match.start(), match.end())
            except (ValueError, OverflowError):
                return None
    return None
