"""Messages as they are read: words of one language in templates, as plain text and as HTML.

`words/` has a file for each language, `templates/` two for each kind of message. What people wrote goes into the HTML
escaped, and into the subject on one line.
"""

from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate
from functools import cache
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from assistant.notices.letters import Digest, Invitation, Letter
from assistant.notices.mail import NotSentError
from assistant.notices.phrases import choose_language, phrase
from assistant.notices.unsubscribing import Unsubscribing

HERE: Final = Path(__file__).parent

SUBJECT_CHARACTERS: Final = 150


class Writer:
    """Writes letters of one sender, for people who reach the service at `public_url`."""

    def __init__(self, sender: Address, public_url: str, unsubscribing: Unsubscribing) -> None:
        self._sender = sender
        self._public_url = public_url
        self._unsubscribing = unsubscribing

    def write(self, notice_id: UUID, letter: Letter) -> EmailMessage:
        """Twice the same message for the same notice, by its `Message-ID`. Raises NotSentError for an odd address."""
        language = choose_language(letter.language)
        message = EmailMessage(policy=SMTP)
        if isinstance(letter, Invitation):
            template = "invitation"
            subject, values = _invitation(language, letter, self._public_url)
        else:
            template, stop = "due_tasks", self._unsubscribing.address(letter.user_id, "due_tasks")
            subject, values = _digest(language, letter, self._public_url, stop)
            message["List-Unsubscribe"] = f"<{stop}>"
            message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        message["From"] = self._sender
        message["To"] = _address(letter.recipient)
        message["Subject"] = " ".join(subject.split())[:SUBJECT_CHARACTERS]
        message["Date"] = formatdate()
        message["Message-ID"] = f"<{notice_id}@{self._sender.domain}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(_fill(f"{template}.txt", language, subject, values))
        message.add_alternative(_fill(f"{template}.html", language, subject, values), subtype="html")
        message["Content-Language"] = language  # before the parts are there, it would become the first part's
        return message


def _invitation(language: str, letter: Invitation, public_url: str) -> tuple[str, dict[str, Any]]:
    role = _say(language, f"roles.{letter.role}")
    facts = {"who": letter.invited_by or "", "space": letter.space}
    nameless = "" if letter.invited_by else "_nameless"
    how = ("invitation.link", {"date": letter.expires_on}) if letter.link else ("invitation.waiting", {})
    values = {
        "opening": (f"invitation.text{nameless}", {**facts, "role": role}),
        "how": how,
        "address": letter.link or f"{public_url}/",
    }
    return _say(language, f"invitation.subject{nameless}", **facts), values


def _digest(language: str, letter: Digest, public_url: str, unsubscribe: str) -> tuple[str, dict[str, Any]]:
    if letter.total == 1:
        subject = _say(language, "due_tasks.subject_one", title=letter.tasks[0].title)
    else:
        subject = _say(language, "due_tasks.subject", count=letter.total)
    values = {
        "greeting": ("greeting", {"name": letter.name}) if letter.name else ("greeting_nameless", {}),
        "tasks": letter.tasks,
        "more": letter.total - len(letter.tasks),
        "address": f"{public_url}/",
        "unsubscribe": unsubscribe,
    }
    return subject, values


def _fill(template: str, language: str, subject: str, values: dict[str, Any]) -> str:
    """Phrases with what they are about, which `values` holds as pairs, are said here: escaped where it is HTML."""
    is_html = template.endswith(".html")

    def say(key: str, **facts: object) -> str:
        sentence = phrase(language, key)
        return Markup(sentence).format(**facts) if is_html else sentence.format(**facts)  # noqa: S704 - escapes `facts`

    said = {name: say(value[0], **value[1]) if isinstance(value, tuple) else value for name, value in values.items()}
    return _templates().get_template(template).render(language=language, subject=subject, say=say, **said)


def _say(language: str, key: str, **facts: object) -> str:
    return phrase(language, key).format(**facts)


@cache
def _templates() -> Environment:
    return Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=select_autoescape(("html",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _address(text: str) -> Address:
    """One address and no list of them, whatever it is spelled like."""
    try:
        return Address(addr_spec=text)
    except (ValueError, IndexError, MessageError) as exc:
        raise NotSentError("no address", final=True) from exc
