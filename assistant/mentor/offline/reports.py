"""What came of a tool call, told from its result and from nothing else."""

from collections.abc import Callable, Iterator, Mapping
from datetime import date
from typing import Any, Final

import msgspec

from assistant.mentor.offline.phrases import Phrases
from assistant.mentor.state import ReadState

_PASSING: Final = frozenset({"internal_error", "unavailable", "database_unavailable", "too_many_requests"})
"""Codes of failures that the request is not to blame for."""


def report(tool: str, content: str, *, is_error: bool, phrases: Phrases) -> str:
    """A result of `tool` for the learner. One that cannot be read is never taken for success.

    What a result says to a model, of arguments and their names, is not for the learner: they get a phrase.
    """
    facts = _read(content)
    match facts.get("status"), facts.get("code"):
        case "done", _ if not is_error:
            try:
                return _REPORTS[tool](facts, phrases)
            except (KeyError, TypeError, ValueError):
                return phrases.unclear
        case "not_done", "approval_required":
            return phrases.not_done.format(tool=tool)
        case "failed", "forbidden":
            return phrases.forbidden
        case "failed", code if code not in _PASSING:
            return phrases.misfit
    return phrases.failed


def _read(content: str) -> Mapping[str, Any]:
    try:
        facts = msgspec.json.decode(content)
    except (msgspec.DecodeError, RecursionError):
        return {}
    return facts if isinstance(facts, dict) else {}


def _tasks(facts: Mapping[str, Any], phrases: Phrases) -> str:
    until = phrases.date(date.fromisoformat(facts["due_before"])) if "due_before" in facts else ""
    tasks = facts["tasks"]
    if not tasks:
        return phrases.no_tasks_until.format(date=until) if until else phrases.no_tasks
    lines = [phrases.tasks_until.format(date=until) if until else phrases.tasks, ""]
    lines += [f"- **{escape(task['title'])}**{_details(task, phrases, ' — ')}" for task in tasks]
    if facts["total"] > len(tasks):
        lines.append(f"- {phrases.further.format(count=facts['total'] - len(tasks))}")
    return "\n".join(lines)


def _documents(facts: Mapping[str, Any], phrases: Phrases) -> str:
    documents = facts["documents"]
    if not documents:
        return phrases.no_documents
    lines = [phrases.documents, "", *(f"- {escape(document['title'])}" for document in documents)]
    if facts["total"] > len(documents):
        lines.append(f"- {phrases.further.format(count=facts['total'] - len(documents))}")
    return "\n".join(lines)


def describe_progress(state: ReadState, phrases: Phrases) -> str:
    """How far the learner is with each module that is shown, and with all of them."""
    if not state.modules:
        return phrases.no_progress
    lines = [f"- **{escape(module.title)}** — {module.completion_percentage} %" for module in state.modules]
    if state.module_count > len(lines):
        lines.append(f"- {phrases.further.format(count=state.module_count - len(lines))}")
    return "\n".join([phrases.progress.format(percentage=state.completion_percentage), "", *lines])


def _created_task(facts: Mapping[str, Any], phrases: Phrases) -> str:
    task = facts["task"]
    return phrases.task_created.format(title=escape(task["title"]), details=_details(task, phrases, ", "))


def _created_goal(facts: Mapping[str, Any], phrases: Phrases) -> str:
    goal = facts["goal"]
    return phrases.goal_created.format(title=escape(goal["title"]), details=_details(goal, phrases, ", "))


def _progress(facts: Mapping[str, Any], phrases: Phrases) -> str:
    progress = facts["progress"]
    return phrases.progress_set.format(title=escape(progress["module"]), percentage=progress["completion_percentage"])


def _details(task: Mapping[str, Any], phrases: Phrases, lead: str) -> str:
    """Due date and priority, as far as there is something to say about them."""
    shown = ", ".join(_facts_of(task, phrases))
    return lead + shown if shown else ""


def _facts_of(task: Mapping[str, Any], phrases: Phrases) -> Iterator[str]:
    if task.get("due_date"):
        day = phrases.date(date.fromisoformat(task["due_date"][:10]))
        yield (phrases.overdue if task.get("overdue") else phrases.due).format(date=day)
    if task.get("priority") in phrases.priorities and task["priority"] != "medium":
        yield phrases.priority.format(priority=phrases.priorities[task["priority"]])


def place_of(title: str, heading: str | None) -> str:
    """Where a passage stands, without repeating a title that is the first heading, too."""
    path = heading if heading and heading.startswith(title) else " › ".join(filter(None, (title, heading)))
    return escape(path)


def escape(title: str) -> str:
    """A title as text within Markdown."""
    return "".join("\\" + sign if sign in "\\`*_[]<>" else sign for sign in title)


_REPORTS: Final[Mapping[str, Callable[[Mapping[str, Any], Phrases], str]]] = {
    "list_tasks": _tasks,
    "list_documents": _documents,
    "create_task": _created_task,
    "create_goal": _created_goal,
    "update_module_progress": _progress,
}
