"""One file of each format, put in, found, and cited to its page."""

from typing import Any
from uuid import uuid4

import msgspec
import pytest

from tests.fixtures.api import Caller, open_space
from tests.fixtures.files import (
    make_docx,
    make_epub,
    make_notebook,
    make_pdf,
    make_pptx,
    make_xlsx,
)
from tests.knowledge.test_routes import settled, upload

FILES = {
    "book.pdf": make_pdf(
        [
            [(24, 50, 780, "Anchors"), (11, 50, 740, "An anchor holds best in sand and clay.")],
            [(11, 50, 740, "The kedge anchor weighs eleven kilograms and is carried at the stern.")],
        ],
        title="Handbook of anchors",
    ),
    "notes.docx": make_docx([("Heading 1", "Compass"), ("Normal", "The compass is swung each spring in the harbour.")]),
    "talk.pptx": make_pptx([("Welcome", ["Good morning"], ""), ("Lanterns", ["The lantern burns whale oil"], "")]),
    "crew.xlsx": make_xlsx({"Crew": [["Name", "Task"], ["Zelda", "steers the dinghy"]]}),
    "novel.epub": make_epub([("Storm", "The mast broke during the storm near Madeira.")], title="The voyage"),
    "tides.ipynb": make_notebook([("markdown", "# Tides\n\nSpring tides follow the new moon.", "")]),
    "film.srt": b"1\n00:01:05,000 --> 00:01:09,000\nThe albatross follows the ship for weeks.\n",
    "sail.py": b"def reef(sail):\n    # tie the cringles first\n    return sail\n",
    "ports.csv": b"port,depth\nLisbon,twelve fathoms\n",
}


@pytest.fixture
async def ada(make_caller: Any) -> Caller:
    caller: Caller = await make_caller()
    return caller


async def test_each_format_is_found_and_cited_to_its_page(ada: Caller) -> None:
    space = str((await open_space(ada))["id"])
    made = {}
    for name, data in FILES.items():
        answer = await upload(ada, space, name, data)
        assert answer.status_code == 201, answer.text
        made[name] = answer.json()["id"]
    for name, document_id in made.items():
        assert (await settled(ada, document_id))["indexing"]["status"] == "ready", name
    for name, query, page, heading in (
        ("book.pdf", "how heavy is the kedge anchor?", 2, "Anchors"),
        ("notes.docx", "when is the compass swung?", None, None),
        ("talk.pptx", "what does the lantern burn?", 2, "Lanterns"),
        ("crew.xlsx", "who steers the dinghy?", None, "Crew"),
        ("novel.epub", "where did the mast break?", None, "Storm"),
        ("tides.ipynb", "what follows the new moon?", None, None),
        ("film.srt", "which bird follows the ship?", None, "00:01:05"),
        ("sail.py", "tie the cringles", None, None),
        ("ports.csv", "how deep is Lisbon?", None, None),
    ):
        found = (await ada.get(f"/api/spaces/{space}/search", params={"q": query, "limit": 1})).json()["items"][0]
        assert (found["document_id"], found["page"], found["heading"]) == (made[name], page, heading), name
    [cited] = await citations(ada, space, "How heavy is the kedge anchor?")
    assert (cited["document_id"], cited["page"]) == (made["book.pdf"], 2)
    assert "eleven kilograms" in cited["quote"]


async def citations(caller: Caller, space: str, question: str) -> list[dict[str, Any]]:
    body = {
        "threadId": uuid4().hex,
        "runId": uuid4().hex,
        "state": {},
        "messages": [{"id": uuid4().hex, "role": "user", "content": question}],
        "tools": [],
        "context": [],
        "forwardedProps": {},
    }
    answer = await caller.call("POST", f"/api/spaces/{space}/agent", body)
    events = [msgspec.json.decode(line[5:]) for line in answer.text.splitlines() if line.startswith("data:")]
    [found] = [event["value"] for event in events if event.get("name") == "citations"]
    return list(found)
