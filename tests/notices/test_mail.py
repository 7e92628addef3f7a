"""One message by SMTP: encrypted or not at all, within bounds of time, and with a reason where it fails."""

import asyncio
import socket
from email.message import EmailMessage

import pytest

from assistant.notices.mail import Mailer, MailServer, NotSentError
from tests.notices.conftest import Certificates, Post, accept_login, mail_server, mailer

ADA, BOB = "ada@example.org", "bob@example.org"


def message() -> EmailMessage:
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = BOB, ADA, "Hello"
    made.set_content("Text.\n")
    return made


async def fault_of(sender: Mailer) -> tuple[str, bool]:
    with pytest.raises(NotSentError) as failed:
        await sender.send(message(), BOB, ADA)
    return failed.value.fault, failed.value.final


@pytest.mark.parametrize(
    ("url", "expected"),
    [("smtps://mail.example.org", ("mail.example.org", 465, "tls", None, None)),
     ("smtp://us%40x.org:p%2Fw@mail.example.org/", ("mail.example.org", 587, "starttls", "us@x.org", "p/w")),
     ("smtp+plain://[::1]:2525", ("::1", 2525, "none", None, None))],
)  # fmt: skip
def test_an_address_says_all_that_is_needed(url: str, expected: tuple[object, ...]) -> None:
    server = MailServer.read(url)
    assert (server.host, server.port, server.security, server.username, server.password) == expected
    assert "p/w" not in repr(server)


@pytest.mark.parametrize("scheme", ["smtps", "smtp"])
async def test_it_is_sent_encrypted_to_who_is_trusted(scheme: str, post: Post, certificates: Certificates) -> None:
    place = {"tls" if scheme == "smtps" else "tls_context": certificates.server}
    # Under `smtps` the server does not know of the TLS around it, and would warn of passwords in the clear.
    needs = {"authenticator": accept_login} | dict.fromkeys(("auth_required", "auth_require_tls"), scheme == "smtp")
    async with mail_server(post, **place, **needs) as port:
        sender = mailer(port, scheme, login="us:p%2Fw@", tls=certificates.trusting)
        await sender.send(message(), BOB, ADA)
        wrong = mailer(port, scheme, login="us:wrong@", tls=certificates.trusting)
        assert await fault_of(wrong) == ("SMTPAuthenticationError (535)", False)
    assert post.only(ADA)["Subject"] == "Hello"


@pytest.mark.parametrize("scheme", ["smtps", "smtp"])
async def test_nothing_is_told_to_a_server_that_cannot_prove_who_it_is(
    scheme: str, post: Post, certificates: Certificates
) -> None:
    place = {"tls" if scheme == "smtps" else "tls_context": certificates.server}
    async with mail_server(post, **place) as port:
        fault, final = await fault_of(mailer(port, scheme))
    assert (fault, final) in {("SMTPConnectError", False), ("SSLCertVerificationError", False)}
    assert post.letters == {}


async def test_nothing_is_sent_in_the_clear_where_encryption_was_asked_for(post: Post, port: int) -> None:
    assert await fault_of(mailer(port, "smtp")) == ("SMTPException", False)
    fault, final = await fault_of(mailer(port, "smtps", step_seconds=2))
    assert (fault.startswith("SMTP"), final) == (True, False)
    assert post.letters == {}


@pytest.mark.parametrize(
    ("answer", "final"),
    [("550 5.1.1 No such user here", True), ("452 4.2.2 Mailbox full", False), ("450 Greylisted", False)],
)
async def test_a_recipient_may_be_refused_for_now_or_for_good(answer: str, final: bool, post: Post, port: int) -> None:
    post.refusals[ADA] = answer
    assert await fault_of(mailer(port)) == (f"recipient refused ({answer[:3]})", final)


@pytest.mark.parametrize(("answer", "final"), [("554 Looks like spam", True), ("451 Try later", False)])
async def test_a_message_may_be_refused_for_now_or_for_good(answer: str, final: bool, post: Post, port: int) -> None:
    post.answer = answer
    assert await fault_of(mailer(port)) == (f"SMTPDataError ({answer[:3]})", final)


async def test_a_server_that_is_down(unused_port: int) -> None:
    assert await fault_of(mailer(unused_port)) == ("SMTPConnectError", False)


async def test_a_server_that_says_nothing_is_not_waited_for(post: Post, port: int) -> None:
    gate = asyncio.Event()

    async def wait() -> None:
        await gate.wait()

    post.wait = wait
    assert await fault_of(mailer(port, step_seconds=0.2)) == ("SMTPReadTimeoutError", False)
    assert await fault_of(mailer(port, total_seconds=0.2)) == ("TimeoutError", False)
    gate.set()


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
