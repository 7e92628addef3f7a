"""What one turn may cost and do, in the order in which it meets the limits, each with its reason."""

from typing import Final

PASSAGES: Final = 8
"""Passages in front of the model: with more, answers get longer and slower, not better."""

PASSAGE_CHARACTERS: Final = 4000
"""A passage is cut here: a table or listing that was kept whole may be many times the usual 180 words."""

PASSAGE_TOKENS: Final = 4000
"""All passages of a question together; those that do not fit are not shown."""

STATE_TOKENS: Final = 1200
"""The learner's state: some forty tasks, modules and goals with their ids. What is left out is counted, and listed by a
tool where it is asked for."""

HISTORY_TOKENS: Final = 24_000
"""Earlier turns in front of the model: about a dozen with their passages. More costs more than it gains."""

HISTORY_KEPT_TOKENS: Final = 12_000
"""What is kept when HISTORY_TOKENS is passed. Cutting to half, not to the limit, keeps the prompt's beginning the same
for several turns, so that the provider's cache is read and not written anew each time."""

OUTPUT_TOKENS: Final = 4096
"""One answer of the model: three pages. A mentor that has more to say should be asked again."""

ANSWER_CHARACTERS: Final = 300_000
"""More than ROUNDS times OUTPUT_TOKENS can be: a server that sends more has lost its way."""

TOOL_INPUT_CHARACTERS: Final = 100_000
"""Arguments of one reply's tool calls: four texts at their longest. Beyond that, too, a server has lost its way."""

ROUNDS: Final = 8
"""Calls of the model in a turn: enough to search twice, look something up and act."""

TOOL_CALLS: Final = 16
"""In a turn: a model may ask for several at once, and a hundred of them are no request of a learner."""

WRITES: Final = 4
"""In a turn: what one message can reasonably ask for, and what a person can check at a glance."""

IDENTICAL_FAILURES: Final = 2
"""The same call failing for the second time ends the loop: it will not succeed the third time."""

SECONDS: Final = 120.0
"""A turn as a whole: longer than any answer that somebody waits for."""

LISTED: Final = 30
"""Rows that a tool lists: what a model can still speak about sensibly. The rest is counted."""
