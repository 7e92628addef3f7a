"""Sending one message by SMTP, within bounds of time, and saying what went wrong without quoting anybody."""

import asyncio
import ssl
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Final, Literal, Self
from urllib.parse import unquote, urlsplit

from aiosmtplib import SMTP, SMTPDataError, SMTPException, SMTPRecipientsRefused, SMTPResponseException

STEP_SECONDS: Final = 20.0
"""For one answer of the server."""

TOTAL_SECONDS: Final = 90.0
"""For the whole message, from the first packet on."""

Security = Literal["tls", "starttls", "none"]

_SECURITY: Final[dict[str, tuple[Security, int]]] = {
    "smtps": ("tls", 465),
    "smtp": ("starttls", 587),
    "smtp+plain": ("none", 25),
}


class NotSentError(Exception):
    """`fault` names a kind and perhaps a code, nothing that somebody wrote. `final`: another try would end the same."""

    def __init__(self, fault: str, *, final: bool = False) -> None:
        super().__init__(fault)
        self.fault = fault
        self.final = final


@dataclass(frozen=True, slots=True, repr=False)
class MailServer:
    host: str
    port: int
    security: Security
    username: str | None = None
    password: str | None = None

    @classmethod
    def read(cls, url: str) -> Self:
        """From an address that the settings have checked."""
        parts = urlsplit(url)
        security, port = _SECURITY[parts.scheme]
        username, password = (unquote(part) if part else None for part in (parts.username, parts.password))
        return cls(parts.hostname or "", parts.port or port, security, username, password)


class Mailer:
    """Opens a connection for each message: they are few, and none waits for another's."""

    def __init__(
        self,
        server: MailServer,
        own_name: str,
        *,
        tls: ssl.SSLContext | None = None,
        step_seconds: float = STEP_SECONDS,
        total_seconds: float = TOTAL_SECONDS,
    ) -> None:
        """`own_name`: how we introduce ourselves. `tls`: whom to trust, other than the machine does."""
        self._server = server
        self._own_name = own_name
        self._tls = tls
        self._step_seconds = step_seconds
        self._total_seconds = total_seconds

    async def send(self, message: EmailMessage, sender: str, recipient: str) -> None:
        """Raises NotSentError."""
        server = self._client()
        try:
            async with asyncio.timeout(self._total_seconds):
                await server.connect()
                await server.send_message(message, sender=sender, recipients=[recipient])
        except SMTPRecipientsRefused as exc:
            code = exc.recipients[0].code
            raise NotSentError(f"recipient refused ({code})", final=code >= 500) from None
        except SMTPResponseException as exc:
            # What it says of a message stays so; what it says of us, an operator may mend.
            final = exc.code >= 500 and isinstance(exc, SMTPDataError)
            raise NotSentError(f"{type(exc).__name__} ({exc.code})", final=final) from None
        except (SMTPException, OSError, TimeoutError, ValueError) as exc:
            raise NotSentError(type(exc).__name__) from None
        finally:
            server.close()  # without a goodbye, whose answer we would have to wait for

    def _client(self) -> SMTP:
        server = self._server
        return SMTP(
            hostname=server.host,
            port=server.port,
            local_hostname=self._own_name,
            username=server.username,
            password=server.password,
            use_tls=server.security == "tls",
            start_tls=server.security == "starttls",
            tls_context=self._tls or (None if server.security == "none" else ssl.create_default_context()),
            timeout=self._step_seconds,
        )
