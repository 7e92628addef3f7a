"""One answer of the mentor: read what there is to know, ask the model, run its tools, until it has nothing to ask for.

    read        state, history                  one transaction, as the learner
    search      the question's passages         embedding outside, one statement in a transaction
    round       the model's reply, streamed     no connection is held
                its tools, each in a transaction of its own; their results go back to the model
    cite        marks → quotes that stand in the documents
    ground      under `grounding: strict`: what has no source is left out, and only then is anything said

Where a tool's change needs the learner's approval, the answer stops there, and a later turn resumes it.

What was said and used so far stands in the TurnRecord at any moment, also where the answer breaks off.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import structlog

from assistant.db.session import Database
from assistant.errors import AssistantError
from assistant.knowledge.language import detect_language
from assistant.knowledge.retrieval import Passage, Retriever
from assistant.llm.events import OFFLINE, Model, ModelRequest, TextDelta
from assistant.llm.pricing import resolve_model
from assistant.llm.prompts import PromptLibrary
from assistant.mentor.actions.service import Actions, told
from assistant.mentor.actions.wording import tell
from assistant.mentor.aside import paid_by
from assistant.mentor.citations import cite, verify
from assistant.mentor.claims.checking import (
    NOTICE,
    correction,
    describe,
    executed_since_question,
    find_unbacked,
    shown_claims,
)
from assistant.mentor.claims.detection import Claim
from assistant.mentor.condense import Condenser, needs_documents
from assistant.mentor.context import (
    MentorContext,
    build_question,
    build_system,
    check_prompt,
    fit_passages,
)
from assistant.mentor.delimiting import new_marker
from assistant.mentor.events import MentorEvent, Message, ToolResult, Turn, TurnRecord
from assistant.mentor.grounding import ground
from assistant.mentor.history import add_question, prepare_history, resume_history
from assistant.mentor.offline.lessons import asks_back
from assistant.mentor.policies import OUTPUT_TOKENS, PASSAGES
from assistant.mentor.repository import passages_of_chunks
from assistant.mentor.rounds import Rounds, result_block
from assistant.mentor.spoken import spoken
from assistant.mentor.state import LearnerState, load_learner_state, write_state
from assistant.mentor.tools import offered
from assistant.spaces.mentor_config import MentorConfig
from assistant.usage.entries import tool_entry

log = structlog.get_logger(__name__)

PROMPT: Final = "mentor"

UNCHOSEN_MODEL: Final = "claude-3-haiku"
"""The preference that the schema gives to everybody: no choice, so that the service's own model answers."""

OUTCOME: Final = "(The learner has answered what was proposed earlier.)"


class Mentor:
    """Answers turns; one per process."""

    def __init__(
        self,
        database: Database,
        model: Model,
        retriever: Retriever,
        prompts: PromptLibrary,
        default_model: str,
        condenser: Condenser | None = None,
    ) -> None:
        self._database = database
        self._model = model
        self._retriever = retriever
        self._prompt = prompts.get(PROMPT)
        check_prompt(self._prompt)
        self._default_model = default_model
        self._condenser = condenser
        self._actions = Actions(database)
        self.provider = model.name

    async def answer(self, turn: Turn, record: TurnRecord) -> AsyncGenerator[MentorEvent, None]:
        """See assistant/mentor/events.py. Raises ModelError, and what the database has to say."""
        prompt = self._prompt
        record.prompt = {"name": prompt.name, "version": prompt.version, "hash": prompt.hash}
        state, history = await self._read(turn)
        config = MentorConfig.parse(state.mentor_config)
        preferred = None if state.ai_model == UNCHOSEN_MODEL else state.ai_model
        wanted = config.model or preferred
        record.model = await self._choose_model(turn, wanted)
        if wanted is not None and record.model != resolve_model(wanted):
            yield record.notice("model_not_in_plan", {"model": wanted, "used": record.model})
        context = MentorContext(
            principal=turn.principal,
            space_id=turn.space_id,
            config=config,
            can_write=state.can_write,
            marker=new_marker(),
            now=datetime.now(UTC),
            database=self._database,
            retriever=self._retriever,
            run_id=turn.run_id,
        )
        answer = self._ask if turn.resumption is None else self._resume
        async with aclosing(answer(turn, record, context, state, history)) as events:
            async for event in events:
                yield event

    async def _ask(
        self, turn: Turn, record: TurnRecord, context: MentorContext, state: LearnerState, history: list[Message]
    ) -> AsyncGenerator[MentorEvent, None]:
        """Answer a question."""
        earlier = prepare_history(history)
        tools = [tool["name"] for tool in offered(context.config, can_write=context.can_write)]
        searched = needs_documents(turn.question, state, tools, offline=self._model.name == OFFLINE)
        passages = await self._search(turn, earlier, record) if searched else []
        question = build_question(
            state, passages, turn.question, context.marker, language=context.config.language, searched=searched
        )
        turn.conversation.append("user", question)
        rounds = Rounds(self._model, context, turn, record, passages or [])
        request = self._request(record, context, add_question(earlier, question))
        rounds.acted = not searched  # then it is about the learner's own things, too
        held = self._held(turn, context, state, [question[0]["text"]], searched=passages is not None)
        async with aclosing(self._rounds(rounds, request, turn, record, held)) as events:
            async for event in events:
                yield event
        told = record.waiting or rounds.acted or record.citations
        if searched and passages is not None and not told and not asks_back(record.text):
            yield record.notice("no_sources", {})

    async def _resume(
        self, turn: Turn, record: TurnRecord, context: MentorContext, state: LearnerState, history: list[Message]
    ) -> AsyncGenerator[MentorEvent, None]:
        """Do what was approved; once all is answered, let the model go on from there."""
        assert turn.resumption is not None
        asked = [each for each in await self._actions.of_run(turn.principal, turn.resumption.run_id) if each.reason]
        settled = [
            await self._actions.carry_out(turn.principal, each.id) for each in asked if each.status != "proposed"
        ]
        for action in settled:
            if action.id in turn.resumption.answered:
                record.entries.append(tool_entry(action.tool, action.arguments, action.status, None))
                result = told(action)
                yield ToolResult(action.call_id, action.tool, result.content, result.data, result.is_error)
        if not turn.resumption.goes_on:
            record.waiting = [each for each in asked if each.status == "proposed"]
            return
        results = [result_block(action.call_id, told(action)) for action in settled]
        messages = resume_history(history, results)
        if messages is None:  # the conversation has gone on: what came of it is told in the words of what is stored
            text = "\n\n".join(tell(each.status, each.effect, each.result) for each in settled)
            turn.conversation.append("user", [{"type": "text", "text": OUTCOME}])
            turn.conversation.append("assistant", [{"type": "text", "text": text}])
            record.text, record.text_in_steps, record.stop_reason = text, len(text), "end_turn"
            yield TextDelta(text)
            return
        turn.conversation.append("user", results)
        record.executed += executed_since_question(messages)
        shown = await passages_of_chunks(self._database, turn.principal, turn.resumption.shown)
        rounds = Rounds(self._model, context, turn, record, shown)
        rounds.acted = True
        request = self._request(record, context, messages)
        own = [write_state(state, context.marker), *(each["content"] for each in results)]
        held = self._held(turn, context, state, own, searched=True)
        async with aclosing(self._rounds(rounds, request, turn, record, held)) as events:
            async for event in events:
                yield event

    def _request(self, record: TurnRecord, context: MentorContext, messages: list[Message]) -> ModelRequest:
        assert record.model is not None
        return ModelRequest(
            model=record.model,
            system=build_system(self._prompt, context.config),
            messages=messages,
            tools=offered(context.config, can_write=context.can_write),
            max_tokens=OUTPUT_TOKENS,
        )

    def _held(
        self, turn: Turn, context: MentorContext, state: LearnerState, own: list[str], *, searched: bool
    ) -> "_Held | None":
        # The offline mentor quotes and reports, so it has nothing to hold back.
        if context.config.grounding != "strict" or self._model.name == OFFLINE:
            return None
        language = context.config.language or detect_language(turn.question, state.language or "en")
        return _Held(own, language, searched)

    async def _rounds(
        self, rounds: Rounds, request: ModelRequest, turn: Turn, record: TurnRecord, held: "_Held | None"
    ) -> AsyncGenerator[MentorEvent, None]:
        """The model's replies, with their sources, also where they break off."""
        try:
            async with aclosing(rounds.run(request)) as events:
                async for event in events:
                    if not (held and isinstance(event, TextDelta)):
                        yield event
        except BaseException:  # stopped, or failed: what was said up to there keeps its sources, where they can be had
            if held is not None:  # nothing was said yet
                record.text = ""
            with suppress(AssistantError):
                await self._cite(turn, record, rounds.shown)
            raise
        await self._cite(turn, record, rounds.shown)
        record.shown = [passage.chunk_id for passage in rounds.shown]
        said = record.text
        if held is not None:
            for event in _say_grounded(record, held, rounds):
                yield event
        if self._model.name != OFFLINE:  # which tells what it did from results alone
            false = await self._contradict(turn, record, request, said)
            if shown := shown_claims(false, record.text):
                yield record.notice(NOTICE, describe(shown, record.executed))

    async def _contradict(self, turn: Turn, record: TurnRecord, request: ModelRequest, said: str) -> list[Claim]:
        """The claims of actions that were neither taken nor proposed; the model is told of them in later turns."""
        counted = [*record.executed, *(action.tool for action in record.waiting)]
        false = await find_unbacked(said, turn.question, counted, request.messages)
        if false and not record.waiting:  # nothing may come between a call that waits and its result
            turn.conversation.append("assistant", [correction(false, record.executed)])
        return false

    async def _choose_model(self, turn: Turn, wanted: str | None) -> str:
        """The provider's id of the model that was wanted, or of the service's own where the plan has not that one."""
        own = resolve_model(self._default_model)
        chosen = own if wanted is None else resolve_model(wanted)
        if chosen == own or self._model.name == OFFLINE or await turn.budget.allows(chosen):
            return chosen
        return own

    async def _cite(self, turn: Turn, record: TurnRecord, shown: Sequence[Passage]) -> None:
        record.citations = await verify(self._database, turn.principal, cite(record.text, shown))

    async def _read(self, turn: Turn) -> tuple[LearnerState, list[Message]]:
        state, history = await asyncio.gather(
            load_learner_state(self._database, turn.principal, turn.space_id), turn.conversation.history()
        )
        return state, history

    async def _search(self, turn: Turn, history: Sequence[Message], record: TurnRecord) -> list[Passage] | None:
        """Passages for the question; None where the documents cannot be searched: then nothing is guessed."""
        said = spoken(history)
        condensed = None
        if self._condenser is not None:
            condensed = await self._condenser.condense(turn.question, said, paid_by(turn, record))
        try:
            found = await self._retriever.retrieve(
                turn.principal,
                turn.space_id,
                turn.question,
                history=said,
                limit=PASSAGES,
                rewritten=None if condensed is None else condensed.text,
            )
        except AssistantError as error:
            log.warning("documents_not_searched", code=error.code)
            return None
        return fit_passages(found)


@dataclass(frozen=True, slots=True)
class _Held:
    """Text that is said only once it is checked, and by what."""

    own: list[str]
    """Texts that tell of the learner."""
    language: str
    searched: bool


def _say_grounded(record: TurnRecord, held: _Held, rounds: Rounds) -> Iterator[MentorEvent]:
    """The text that was held back, as far as it holds; the record has it from then on."""
    grounded = ground(
        record.text,
        {citation.index for citation in record.citations},
        [*held.own, *rounds.results],
        language=held.language,
        searched=held.searched,
        acted=rounds.acted,
    )
    record.text, record.text_in_steps = grounded.text, len(grounded.text)
    if grounded.text:
        yield TextDelta(grounded.text)
    if grounded.withheld:
        yield record.notice("text_withheld", {"sentences": grounded.withheld})
