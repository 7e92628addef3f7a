"""The event stream's parser: cut anywhere, split anywhere, broken anyhow."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec
import pytest

from assistant.llm.events import (
    NO_USAGE,
    Completed,
    ModelEvent,
    TextDelta,
    ToolInputDelta,
    ToolUseStarted,
    Usage,
)
from assistant.llm.stream import MAX_EVENT_BYTES, AnswerParser, EventStreamDecoder
from tests.fixtures.scripted_model import (
    PING,
    Thinking,
    ToolUse,
    block,
    ending,
    event,
    fail,
    opening,
    say,
)

TEXT = ["Grüße ", "an 学习者 ", "🎓, ", 'with "quotes"\n']
TOOL = ToolUse("create_task", {"title": "Übung 📝", "priority": 2, "tags": ["a", "b"]}, id="toolu_7", pieces=5)
RECORDED = say(Thinking("Let me see …"), *TEXT, TOOL).body.replace(
    b"\n\nevent: content", b"\n\n" + PING + b"event: content", 2
)


def parse(chunks: Iterable[bytes]) -> tuple[AnswerParser, list[ModelEvent]]:
    parser = AnswerParser("claude-asked")
    return parser, [event for chunk in chunks for event in parser.feed(chunk)]


def text_of(events: Sequence[ModelEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def completed(events: Sequence[ModelEvent]) -> Completed:
    last = events[-1]
    assert isinstance(last, Completed)
    return last


def at_every_byte(data: bytes) -> Iterator[int]:
    return iter(range(len(data) + 1))


def test_an_answer_becomes_deltas_and_then_its_blocks_verbatim() -> None:
    parser, events = parse([RECORDED])

    assert parser.done
    assert text_of(events) == "".join(TEXT)
    assert [type(event).__name__ for event in events if not isinstance(event, TextDelta | ToolInputDelta)] == [
        "ToolUseStarted",
        "Completed",
    ]
    assert ToolUseStarted("toolu_7", "create_task") in events
    arguments = "".join(event.partial_json for event in events if isinstance(event, ToolInputDelta))
    assert msgspec.json.decode(arguments) == TOOL.input
    assert completed(events) == Completed(
        blocks=[
            {"type": "thinking", "thinking": "Let me see …", "signature": "c2lnbmF0dXJl"},
            {"type": "text", "text": "".join(TEXT)},
            {"type": "tool_use", "id": "toolu_7", "name": "create_task", "input": dict(TOOL.input)},
        ],
        stop_reason="tool_use",
        usage=Usage(25, 15, 0, 0),
        model="claude-scripted",
    )


def test_a_stream_cut_after_any_byte_is_never_complete_and_its_text_is_a_prefix() -> None:
    whole = "".join(TEXT)
    for end in at_every_byte(RECORDED[:-1]):
        parser, events = parse([RECORDED[:end]])
        assert not parser.done, end
        assert parser.failure is None, end
        assert not any(isinstance(event, Completed) for event in events), end
        assert whole.startswith(text_of(events)), end


def test_a_stream_split_at_any_byte_gives_the_same_events() -> None:
    _, expected = parse([RECORDED])
    for middle in at_every_byte(RECORDED):
        parser, events = parse([RECORDED[:middle], RECORDED[middle:]])
        assert parser.done, middle
        assert events == expected, middle


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"], ids=["lf", "crlf", "cr"])
def test_a_stream_in_single_bytes_gives_the_same_events_for_each_line_end(line_end: bytes) -> None:
    _, expected = parse([RECORDED])
    # With a lone carriage return the last line ends only when another byte shows that no line feed follows.
    data = RECORDED.replace(b"\n", line_end) + (b":" if line_end == b"\r" else b"")

    _, events = parse(data[at : at + 1] for at in range(len(data)))

    assert events == expected


def test_data_over_several_lines_is_joined_and_comments_are_skipped() -> None:
    assert list(EventStreamDecoder().feed(b': hello\nid: 4\ndata: {"a":\ndata:1}\n\n\n\ndata\n\n')) == [b'{"a":\n1}']


def test_a_line_without_an_end_is_malformed_and_not_kept_for_ever() -> None:
    parser, _ = parse([b"data: ", b"x" * MAX_EVENT_BYTES])

    assert parser.failure is not None
    assert parser.failure.code == "model_malformed"


def test_unknown_events_and_deltas_are_ignored_and_unknown_blocks_are_kept() -> None:
    unknown = {"type": "hologram", "data": {"nested": [1, None, 2.5]}}
    parser, events = parse(
        [
            opening(),
            event("weather_report", delta="sunny", index="north"),
            *block(0, unknown, [{"type": "hologram_delta", "light": 3}]),
            *block(1, {"type": "text", "text": ""}, [{"type": "text_delta", "text": "Hi"}]),
            *ending(),
        ]
    )

    assert parser.failure is None
    assert completed(events).blocks == [unknown, {"type": "text", "text": "Hi"}]


def test_text_that_comes_with_the_start_of_its_block_is_not_lost() -> None:
    _, events = parse(
        [opening(), *block(0, {"type": "text", "text": "Hel"}, [{"type": "text_delta", "text": "lo"}]), *ending()]
    )

    assert text_of(events) == "Hello"
    assert completed(events).blocks == [{"type": "text", "text": "Hello"}]


def test_citations_are_collected_in_their_block() -> None:
    deltas: list[dict[str, Any]] = [
        {"type": "citations_delta", "citation": {"cited_text": "one"}},
        {"type": "text_delta", "text": "said"},
        {"type": "citations_delta", "citation": {"cited_text": "two"}},
    ]
    _, events = parse([opening(), *block(0, {"type": "text", "text": ""}, deltas), *ending()])

    assert completed(events).blocks[0]["citations"] == [{"cited_text": "one"}, {"cited_text": "two"}]


def test_a_tool_without_arguments_keeps_its_empty_input() -> None:
    _, events = parse(
        [say(ToolUse("list_goals", {}, pieces=1)).body.replace(b'"partial_json":"{}"', b'"partial_json":""')]
    )

    assert completed(events).blocks[0]["input"] == {}


def test_the_length_limit_is_a_stop_reason_and_drops_only_the_tool_call_that_it_cut() -> None:
    cut = block(1, {"type": "tool_use", "id": "t", "name": "n", "input": {}}, [
        {"type": "input_json_delta", "partial_json": '{"title": "half'}
    ])  # fmt: skip
    text = block(0, {"type": "text", "text": ""}, [{"type": "text_delta", "text": "kept"}])
    parser, events = parse([opening(), *text, *cut, *ending("max_tokens")])

    assert parser.failure is None
    assert completed(events).stop_reason == "max_tokens"
    assert completed(events).blocks == [{"type": "text", "text": "kept"}]


@pytest.mark.parametrize(
    "chunks",
    [
        pytest.param([b"data: {nonsense}\n\n"], id="no JSON"),
        pytest.param([b"data: [1]\n\n"], id="no object"),
        pytest.param([b'data: {"type":"\xff\xfe"}\n\n'], id="no UTF-8"),
        pytest.param(
            [b'data: {"type":"content_block_start","index":0,"content_block":' + b'{"a":' * 9_000 + b"\n\n"],
            id="too deep",
        ),
        pytest.param([event("content_block_delta", index=0, delta={"type": "text_delta", "text": "x"})], id="no block"),
        pytest.param([event("content_block_delta", index=0)], id="no delta"),
        pytest.param([event("content_block_start", index=0, content_block={"type": "tool_use"})], id="no tool id"),
        pytest.param(2 * block(0, {"type": "text", "text": ""}, []), id="block twice"),
        pytest.param([event("message_start", message={"usage": {"input_tokens": "many"}})], id="wrong type"),
        pytest.param([opening(), event("message_stop")], id="no stop reason"),
        pytest.param(
            block(
                0, {"type": "tool_use", "id": "t", "name": "n"}, [{"type": "input_json_delta", "partial_json": "[1]"}]
            )
            + ending("tool_use"),
            id="tool input is no object",
        ),
    ],
)
def test_what_cannot_be_understood_is_malformed_and_never_complete(chunks: list[bytes]) -> None:
    parser, events = parse(chunks)

    assert not any(isinstance(event, Completed) for event in events)
    assert parser.failure is not None
    assert parser.failure.code == "model_malformed"


@pytest.mark.parametrize(
    ("kind", "code", "retryable"),
    [
        ("overloaded_error", "model_overloaded", True),
        ("api_error", "model_unavailable", True),
        ("something_new", "model_unavailable", True),
        ("rate_limit_error", "model_rate_limited", False),
        ("authentication_error", "model_auth", False),
        ("permission_error", "model_auth", False),
        ("billing_error", "model_auth", False),
        ("not_found_error", "model_not_found", False),
        ("invalid_request_error", "model_bad_request", False),
        ("request_too_large", "model_bad_request", False),
    ],
)
def test_an_error_event_keeps_what_came_before_it_in_the_same_bytes(kind: str, code: str, retryable: bool) -> None:
    data = RECORDED[: RECORDED.index(b"event: message_delta")] + fail(kind)
    parser, events = parse([data + b"".join(ending())])

    assert text_of(events) == "".join(TEXT)
    assert not any(isinstance(event, Completed) for event in events)
    assert parser.failure is not None
    assert (parser.failure.code, parser.failure.retryable) == (code, retryable)


def test_a_refusal_is_an_error_with_its_usage() -> None:
    parser, events = parse([say("I would", stop_reason="refusal").body])

    assert text_of(events) == "I would"
    assert not any(isinstance(event, Completed) for event in events)
    assert parser.failure is not None
    assert parser.failure.code == "model_refused"
    assert parser.failure.usage == Usage(25, 15, 0, 0)


def test_usage_is_cumulative_and_a_broken_answer_does_not_pass_the_placeholder_for_its_output() -> None:
    delta = {"type": "text_delta", "text": "x"}
    parser, _ = parse([opening(), *block(0, {"type": "text", "text": ""}, [delta])])
    assert parser.usage == Usage(25, None, 0, 0)

    for count in (7, 9):
        parser.feed(event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": count}))
    assert parser.usage == Usage(25, 9, 0, 0)


def test_nul_is_replaced_since_no_database_stores_it() -> None:
    arguments = {"title": "a\0b", "path": "\\u0000", "deep": [{"more\0": "\\\0"}]}
    _, events = parse([say("1\0", "2 \\u0000", ToolUse("create_task", arguments, pieces=7)).body])

    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == "1�2 \\u0000"
    text, call = completed(events).blocks
    assert text["text"] == "1�2 \\u0000"
    assert call["input"] == {"title": "a�b", "path": "\\u0000", "deep": [{"more�": "\\�"}]}


def test_a_server_that_does_not_speak_of_a_cache_has_none() -> None:
    parser, events = parse([say("x", usage={"input_tokens": 3}).body])

    assert parser.done
    assert completed(events).usage == Usage(3, 15, 0, 0)


def test_counts_that_a_server_does_not_report_are_unknown() -> None:
    _, events = parse([say("x", usage={}).body])

    assert completed(events).usage == Usage(None, 15, None, None)


def test_before_any_content_the_output_is_known_to_be_none_and_before_any_event_nothing_is_known() -> None:
    assert parse([])[0].usage == Usage()
    assert parse([opening()])[0].usage == Usage(25, 0, 0, 0)


def test_bytes_after_the_end_change_nothing() -> None:
    parser, events = parse([RECORDED, RECORDED, fail("api_error"), b"\xff\n\n"])

    assert parser.done
    assert parser.failure is None
    assert sum(isinstance(event, Completed) for event in events) == 1


def test_usage_adds_up_and_unknown_stays_unknown() -> None:
    assert NO_USAGE + Usage(1, 2, 3, 4) + Usage(10, 20, 30, 40) == Usage(11, 22, 33, 44)
    assert Usage(1, 2, 3, 4) + Usage(10, None, 30, None) == Usage(11, None, 33, None)
