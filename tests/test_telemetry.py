"""What the service says about itself, and what it keeps to itself."""

import io
import json
import logging
from typing import Any

import psycopg
import pytest
import structlog
from sqlalchemy.exc import DBAPIError

from assistant.errors import InvalidError
from assistant.telemetry import configure_logging, describe
from tests.fixtures.api import Caller

CANARY = "canary-5d1c"


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def fail(error: Exception, cause: Exception | None = None) -> None:
    raise error from cause


def raised(error: Exception, cause: Exception | None = None) -> Exception:
    try:
        fail(error, cause)
    except Exception as caught:
        return caught
    return error


def test_a_line_is_one_json_object_also_from_libraries() -> None:
    stream = io.StringIO()
    configure_logging("info", stream=stream)
    with structlog.contextvars.bound_contextvars(request_id="r1"):
        structlog.get_logger("ours").info("hello", count=1)
        logging.getLogger("theirs").warning("careful %s", "now")
        structlog.get_logger("ours").debug("not shown")
    ours, theirs = lines(stream)
    assert (ours["event"], ours["count"], ours["level"], ours["request_id"]) == ("hello", 1, "info", "r1")
    assert (theirs["event"], theirs["level"], theirs["request_id"]) == ("careful now", "warning", "r1")
    assert ours["timestamp"].endswith("Z")


def test_an_exception_is_told_by_place_and_type_not_by_its_words() -> None:
    stream = io.StringIO()
    configure_logging("info", stream=stream)
    error = raised(ValueError(CANARY), raised(psycopg.errors.UniqueViolation(CANARY)))
    structlog.get_logger().error("failed", exc_info=error)
    try:
        fail(RuntimeError(CANARY))
    except RuntimeError:
        structlog.get_logger().exception("failed again")
    first, second = lines(stream)
    assert CANARY not in stream.getvalue()
    assert "psycopg.errors.UniqueViolation (SQLSTATE 23505)" in first["exception"]
    assert "builtins.ValueError" in first["exception"]
    assert "test_telemetry.py" in first["exception"]
    assert "builtins.RuntimeError" in second["exception"]


def test_parameters_of_a_statement_do_not_show() -> None:
    error = raised(DBAPIError(f"select '{CANARY}'", {"p": CANARY}, psycopg.DataError(CANARY)))
    assert CANARY not in describe(error)


def test_members_of_a_group_and_our_own_sentences_show() -> None:
    text = describe(ExceptionGroup(CANARY, [raised(KeyError(CANARY)), InvalidError("A sentence for people.")]))
    assert CANARY not in text
    assert "builtins.KeyError" in text
    assert "A sentence for people." in text


@pytest.mark.parametrize("chatty", ["httpx2", "uvicorn.access"])
def test_libraries_that_log_addresses_are_quiet(chatty: str) -> None:
    stream = io.StringIO()
    configure_logging("info", stream=stream)
    logging.getLogger(chatty).info("GET /?token=secret")
    assert stream.getvalue() == ""


async def test_requests_are_counted_by_route_never_by_address(anybody: Caller, ada: Caller) -> None:
    goal = await ada.make("/api/goals", {"title": CANARY})
    for _ in range(3):
        await ada.get(f"/api/goals/{goal['id']}")
    text = (await anybody.get("/metrics")).text
    assert 'goalspace_http_requests_total{method="GET",route="/api/goals/{goal_id}",status="200"}' in text
    assert 'goalspace_http_response_start_seconds_bucket{le="0.1",method="POST",route="/api/goals"}' in text
    assert goal["id"] not in text
    assert CANARY not in text


async def test_what_people_send_is_not_logged(ada: Caller) -> None:
    stream = io.StringIO()
    configure_logging("debug", stream=stream)
    await ada.call("POST", "/api/goals", {"title": CANARY})
    await ada.call("POST", "/api/goals", {"title": CANARY})
    await ada.call("POST", "/api/goals", {"title": 5, CANARY: CANARY})
    await ada.get(f"/api/goals?status={CANARY}")
    assert [line["status"] for line in lines(stream) if line["event"] == "request"] == [201, 409, 422, 422]
    assert CANARY not in stream.getvalue()
    assert ada.token not in stream.getvalue()  # type: ignore[operator]  # it has one
    assert ada.email not in stream.getvalue()
