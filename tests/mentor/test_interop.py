"""The same tools in LangChain's hands: same schemas, same rights, same sentences."""

import json
import subprocess
import sys

import pytest

from assistant.db.session import Database
from assistant.mentor.context import MentorContext
from assistant.mentor.interop import langchain_tools
from assistant.mentor.tools import offered, run_tool
from assistant.mentor.toolspec import ToolOutcome
from assistant.spaces.mentor_config import MentorConfig
from tests.fixtures.briefing import MARKER, NOW, passage
from tests.fixtures.database import MakePerson, Person
from tests.fixtures.tools import Shelf


def context_of(database: Database, person: Person, config: MentorConfig) -> MentorContext:
    shelf = Shelf([passage("The bowline holds."), passage("The reef knot ties.")])
    return MentorContext(person.principal, person.space_id, config, True, MARKER, NOW, database, shelf)


@pytest.mark.parametrize("config", [MentorConfig(), MentorConfig(tools={"create_task": "off"})])
async def test_they_are_the_tools_on_offer_with_the_same_schemas(
    database: Database, make_person: MakePerson, config: MentorConfig
) -> None:
    tools = langchain_tools(context_of(database, await make_person(), config))

    assert [
        {"name": tool.name, "description": tool.description, "input_schema": tool.args_schema} for tool in tools
    ] == offered(config, can_write=True)


async def test_a_call_does_what_it_does_in_the_loop(database: Database, make_person: MakePerson) -> None:
    person = await make_person()
    context = context_of(database, person, MentorConfig(tools={"create_task": "auto"}))
    tools = {tool.name: tool for tool in langchain_tools(context)}
    call = {"type": "tool_call", "id": "1", "name": "create_task", "args": {"title": "Tie a knot"}}

    message = await tools["create_task"].ainvoke(call)

    listed = await run_tool("list_tasks", {}, context, tainted=False)
    assert isinstance(listed, ToolOutcome)
    assert isinstance(message.artifact, ToolOutcome)
    assert [task["title"] for task in listed.data["tasks"]] == ["Tie a knot"]
    assert json.loads(message.content)["task"]["id"] == listed.data["tasks"][0]["id"]
    assert await tools["list_tasks"].ainvoke({}) == listed.content


async def test_rights_policies_and_sentences_hold_there_too(database: Database, make_person: MakePerson) -> None:
    owner, stranger = await make_person(), await make_person()
    ours = {tool.name: tool for tool in langchain_tools(context_of(database, owner, MentorConfig()))}
    auto = MentorConfig(tools={"create_task": "auto"})
    tainted = {tool.name: tool for tool in langchain_tools(context_of(database, owner, auto), tainted=True)}
    foreign = context_of(database, stranger, auto)
    theirs = {tool.name: tool for tool in langchain_tools(foreign)}

    assert json.loads(await ours["create_task"].ainvoke({"title": "x"}))["status"] == "not_done"
    assert json.loads(await tainted["create_task"].ainvoke({"title": "x"}))["status"] == "not_done"
    assert "required" in json.loads(await theirs["create_task"].ainvoke({"space_id": str(owner.space_id)}))["message"]
    assert json.loads(await ours["list_tasks"].ainvoke({}))["tasks"] == []


async def test_passages_are_numbered_on_from_search_to_search(database: Database, make_person: MakePerson) -> None:
    tools = langchain_tools(context_of(database, await make_person(), MentorConfig()))
    search = next(tool for tool in tools if tool.name == "search_documents")

    first, second = await search.ainvoke({"query": "knots"}), await search.ainvoke({"query": "wind"})

    assert 'n="1"' in first
    assert 'n="2"' in first
    assert 'n="3"' in second
    assert 'n="4"' in second


def test_the_mentor_alone_does_not_import_langchains_tools() -> None:
    code = (
        "import assistant.mentor.loop, assistant.mentor.offline, sys;"
        "sys.exit(any(name.startswith(('langchain_core.tools.', 'langchain.agents')) for name in sys.modules))"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
