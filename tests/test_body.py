"""Bodies: what is no JSON, what is too much of it, and what no column can hold."""

from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from assistant.body import MAX_DEPTH, MAX_ITEMS, explain, read_json, strictly
from assistant.errors import BadRequestError, InvalidError


def nested(depth: int, opening: str = "[", closing: str = "]") -> bytes:
    return (opening * depth + "1" + closing * depth).encode()


@pytest.mark.parametrize(
    "body",
    [b"", b" ", b"{", b"{'a': 1}", b"nul", b"NaN", b"[Infinity]", b"[1,]", b"\xff", b'"\xff"', b'{"a": "\xc3"}',
     b"1e999", b"{} {}", b"// hi", nested(5000), nested(5000, '{"a":', "}"), b"[" * 100_000],
)  # fmt: skip
def test_what_is_no_json_is_a_bad_request(body: bytes) -> None:
    with pytest.raises(BadRequestError):
        read_json(body)


def test_depth_is_bounded() -> None:
    read_json(nested(MAX_DEPTH))
    for body in (nested(MAX_DEPTH + 1), nested(MAX_DEPTH + 1, '{"a":', "}")):
        with pytest.raises(BadRequestError, match="64 levels"):
            read_json(body)


def test_lists_and_objects_are_bounded() -> None:
    many: list[Any] = [0] * (MAX_ITEMS + 1)
    for value in (many, dict.fromkeys(map(str, range(MAX_ITEMS + 1)))):
        with pytest.raises(InvalidError) as refusal:
            read_json(msgspec.json.encode({"a": {"b": value}}))
        assert refusal.value.extra["errors"][0]["path"] == "a.b"
    assert read_json(msgspec.json.encode(many), max_items=len(many)) == many


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (rb'{"title": "a\u0000b"}', "title"),
        (rb'{"a": [{"b": ["", "\u0000"]}]}', "a[0].b[1]"),
        (rb'["\u0000"]', "[0]"),
        (rb'{"a": {"k\u0000": 1}}', "a"),
        (rb'{"a": {"b": "\ud800"}}', "a.b"),
        (rb'{"a": ["\udc00\ud800"]}', "a[0]"),
        (rb'{"a": "\ud83d"}', "a"),
    ],
)
def test_what_no_column_can_hold_is_invalid_with_its_path(body: bytes, path: str) -> None:
    with pytest.raises(InvalidError) as refusal:
        read_json(body)
    assert refusal.value.status_code == 422
    assert refusal.value.extra["errors"][0]["path"] == path


def test_all_other_text_comes_through() -> None:
    assert read_json(rb'{"a": "\ud83d\ude00 \\u0000 \\ud800 \u0001"}') == {"a": "😀 \\u0000 \\ud800 \x01"}


@given(st.binary(max_size=200) | st.text(max_size=100).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    try:
        read_json(body)
    except (BadRequestError, InvalidError):
        return


class Thing(msgspec.Struct, forbid_unknown_fields=True):
    name: Annotated[str, Meta(min_length=1, max_length=3)]
    count: int = 0
    parts: list["Thing"] = []


@pytest.mark.parametrize(
    ("value", "path", "message"),
    [
        ({}, "name", "This field is required."),
        ({"name": "a", "x": 1}, "x", "This field is unknown here."),
        ({"name": 5}, "name", "This must be a text."),
        ({"name": ""}, "name", "This must not be empty."),
        ({"name": "abcd"}, "name", "This must have at most 3 characters."),
        ({"name": "a", "count": "5"}, "count", "This must be a whole number."),
        ({"name": "a", "count": 5.5}, "count", "This must be a whole number."),
        ({"name": "a", "count": True}, "count", "This must be a whole number."),
        ({"name": "a", "parts": {}}, "parts", "This must be a list."),
        ({"name": "a", "parts": [{"name": "b"}, {"name": None}]}, "parts[1].name", "This must be a text."),
        ({"name": "a", "parts": [{"name": "b", "y": 1}]}, "parts[0].y", "This field is unknown here."),
        ([], "", "This must be an object."),
    ],
)
def test_nothing_is_coerced_and_the_path_is_named(value: object, path: str, message: str) -> None:
    with pytest.raises(InvalidError) as refusal:
        strictly(value, Thing)
    assert refusal.value.extra["errors"] == [{"path": path, "message": message}]


def test_what_is_explained_is_short() -> None:
    assert len(explain("Something new: " + "x" * 5000)[1]) < 250
