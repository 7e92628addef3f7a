"""One message on its way: read, written, sent, and noted as sent."""

from email.headerregistry import Address
from email.utils import parseaddr

import structlog

from assistant.db.session import Database
from assistant.notices import outbox
from assistant.notices.letters import read_letter
from assistant.notices.mail import Mailer, NotSentError
from assistant.notices.outbox import WaitingNotice
from assistant.notices.texts import Writer
from assistant.notices.unsubscribing import Unsubscribing
from assistant.sharing.links import InvitationLinks

log = structlog.get_logger(__name__)


class Delivery:
    """By mail, from `sender` (`Name <address>`), for people who reach the service at `public_url`."""

    def __init__(
        self,
        database: Database,
        mailer: Mailer,
        *,
        sender: str,
        public_url: str,
        links: InvitationLinks,
        unsubscribing: Unsubscribing,
    ) -> None:
        name, self._sender = parseaddr(sender)
        self._database = database
        self._mailer = mailer
        self._links = links
        self._writer = Writer(Address(name, addr_spec=self._sender), public_url, unsubscribing)

    async def deliver(self, notice: WaitingNotice) -> None:
        """No connection to the database is held while the mail server is slow.

        Who dies between the last two steps sends the message once more later, with the same `Message-ID`.
        """
        try:
            letter = await read_letter(self._database, self._links, notice)
            if letter is None:
                await outbox.drop(self._database, notice.id)
                return
            await self._mailer.send(self._writer.write(notice.id, letter), self._sender, letter.recipient)
        except NotSentError as error:
            tries_again = await outbox.put_back(self._database, notice, error.fault, final=error.final)
            log.warning("notice_not_sent", notice=str(notice.id), fault=error.fault, tries_again=tries_again)
        else:
            await outbox.mark_sent(self._database, notice.id)
            log.info("notice_sent", notice=str(notice.id), kind=notice.kind)
