"""A mail server on loopback, as slow, broken or strict as a test wants it, and a postman who uses it."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP as POLICY

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from assistant.db.session import Database
from assistant.identity import installation_secret
from assistant.notices.delivery import Delivery
from assistant.notices.mail import Mailer, MailServer
from assistant.notices.postman import Postman
from assistant.notices.unsubscribing import Unsubscribing
from assistant.settings import Settings
from assistant.sharing.links import InvitationLinks
from tests.fixtures.certificates import make_certificate, serving

PUBLIC_URL = "https://learn.example.org"
SENDER = "GoalSpace Übung <mentor@example.org>"

Wait = Callable[[], Awaitable[None]]


@dataclass
class Post:
    """What came in, by recipient, and how the server answers."""

    letters: dict[str, list[EmailMessage]] = field(default_factory=dict)
    refusals: dict[str, str] = field(default_factory=dict)
    """Recipient → the answer to `RCPT`."""
    answer: str = "250 OK"
    """To the message itself."""
    wait: Wait | None = None
    """Before that answer."""

    def to(self, recipient: str) -> list[EmailMessage]:
        return self.letters.get(recipient, [])

    def only(self, recipient: str) -> EmailMessage:
        [letter] = self.to(recipient)
        return letter

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refusals:
            return self.refusals[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.wait is not None:
            await self.wait()
        if self.answer.startswith("250"):
            content = envelope.content
            assert isinstance(content, bytes)
            letter = message_from_bytes(content, _class=EmailMessage, policy=POLICY)
            for recipient in envelope.rcpt_tos:
                self.letters.setdefault(recipient, []).append(letter)
        return self.answer


@asynccontextmanager
async def mail_server(post: Post, **options: object) -> AsyncIterator[int]:
    """Its port. `tls`: a context; `starttls`: the same, after a greeting in the clear."""
    loop = asyncio.get_running_loop()
    tls = options.pop("tls", None)
    server = await loop.create_server(
        lambda: SMTP(post, hostname="mail.example.org", enable_SMTPUTF8=True, loop=loop, **options),  # type: ignore[arg-type]
        "127.0.0.1",
        0,
        ssl=tls if isinstance(tls, ssl.SSLContext) else None,
    )
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


@dataclass(frozen=True)
class Certificates:
    server: ssl.SSLContext
    trusting: ssl.SSLContext


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """A certificate for 127.0.0.1 that nobody trusts but who is told to."""
    path = make_certificate("127.0.0.1", tmp_path_factory.mktemp("certificates"))
    return Certificates(serving(path), ssl.create_default_context(cafile=str(path)))


@pytest.fixture
async def post() -> Post:
    return Post()


@pytest.fixture
async def port(post: Post) -> AsyncIterator[int]:
    """Of a server without TLS."""
    async with mail_server(post) as opened:
        yield opened


MakePostman = Callable[[Mailer], Postman]


@pytest.fixture
def make_postman(database: Database, settings: Settings) -> MakePostman:
    secret = installation_secret(settings)

    def make(mailer: Mailer) -> Postman:
        delivery = Delivery(
            database,
            mailer,
            sender=SENDER,
            public_url=PUBLIC_URL,
            links=InvitationLinks(secret, PUBLIC_URL),
            unsubscribing=Unsubscribing(secret, PUBLIC_URL),
        )
        return Postman(database, delivery)

    return make


def mailer(port: int, scheme: str = "smtp+plain", *, login: str = "", **options: object) -> Mailer:
    server = MailServer.read(f"{scheme}://{login}127.0.0.1:{port}")
    return Mailer(server, "example.org", **options)  # type: ignore[arg-type]


@pytest.fixture
def postman(port: int, make_postman: MakePostman) -> Postman:
    return make_postman(mailer(port))


def accept_login(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object) -> AuthResult:
    login, password = getattr(data, "login", b""), getattr(data, "password", b"")
    return AuthResult(success=(login, password) == (b"us", b"p/w"), handled=False)
