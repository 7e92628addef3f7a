"""All that a running service consists of, built once and taken down in the opposite order."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from assistant.accounts.admission import UserAdmission
from assistant.accounts.keys import ApiKeys
from assistant.accounts.passwords import Passwords
from assistant.accounts.repository import has_auth_stand_in
from assistant.accounts.service import AccountService
from assistant.accounts.visits import Visits
from assistant.chat.budget import Accounts
from assistant.chat.runs import RunManager
from assistant.chat.service import ChatService
from assistant.chat.sockets import SocketGate
from assistant.chat.tending import Tender
from assistant.db.session import Database
from assistant.db.setup import Server, open_server
from assistant.health import Readiness
from assistant.identity import Authenticator, TokenIssuer, build_issuer, build_verifier, installation_secret
from assistant.knowledge.fetching import Fetcher
from assistant.knowledge.formats.readers import Readers
from assistant.knowledge.ingestion import Gatherer
from assistant.knowledge.retrieval import Retriever
from assistant.limits import Limits
from assistant.llm.embeddings import Embedder, build_embedder
from assistant.llm.events import Model
from assistant.llm.pricing import resolve_model
from assistant.llm.prompts import PromptLibrary
from assistant.mentor.actions.service import Actions
from assistant.mentor.condense import Condenser
from assistant.mentor.loop import Mentor
from assistant.mentor.policies import SECONDS
from assistant.mentor.summaries import Summariser
from assistant.mentor.titles import Titles
from assistant.notices.postman import Postman
from assistant.notices.unsubscribing import Unsubscribing
from assistant.pagination import Cursors
from assistant.resources import resource_dir
from assistant.settings import Settings
from assistant.sharing.inviting import Invitations
from assistant.sharing.links import InvitationLinks
from assistant.upkeep.service import Upkeep
from assistant.upkeep.steps import Policy
from assistant.usage.installation import Stop, publish_stop
from assistant.usage.meter import Meter
from assistant.usage.plans import Plans, load_plans
from assistant.usage.repository import publish_plans
from assistant.worker import Worker


@dataclass(frozen=True, slots=True)
class Services:
    """What requests are given parts of."""

    settings: Settings
    server: Server
    database: Database
    admission: UserAdmission
    authenticator: Authenticator
    issuer: TokenIssuer | None
    accounts: AccountService
    cursors: Cursors
    invitations: Invitations
    unsubscribing: Unsubscribing
    limits: Limits
    readiness: Readiness
    gatherer: Gatherer
    embedder: Embedder
    retriever: Retriever
    actions: Actions
    runs: RunManager
    chat: ChatService
    gate: SocketGate
    plans: Plans
    upkeep: Upkeep
    tender: Tender
    worker: Worker


@asynccontextmanager
async def open_services(settings: Settings) -> AsyncIterator[Services]:
    """Raises ConfigurationError where a setting or the machine does not allow it."""
    async with AsyncExitStack() as stack:
        verifier = build_verifier(settings)
        plans = load_plans(settings.plans_file)
        stop = Stop(settings.stop_at_tokens, settings.stop_at_usd)
        server = await stack.enter_async_context(await open_server(settings))
        database = await stack.enter_async_context(server.open())
        readiness = Readiness(server.logins.jobs_url, prepares=not server.is_pooled)
        stack.push_async_callback(readiness.aclose)
        async with database.service("accounts") as connection:
            has_stand_in = await has_auth_stand_in(connection)
        embedder = build_embedder(settings.embeddings)
        await publish_plans(database, plans)
        await publish_stop(database, stop)
        meter = await stack.enter_async_context(Meter(database))
        retriever = Retriever(database, embedder, meter)
        model, prompts = await open_model(settings, stack), open_prompts(settings)
        aside = resolve_model(settings.model)
        condenser = Condenser(model, prompts, aside)
        mentor = Mentor(database, model, retriever, prompts, settings.model, condenser)
        tender = Tender(database, Summariser(model, prompts, aside), Titles(model, prompts, aside))
        runs = RunManager(
            database,
            mentor,
            server.listen_url,
            turn_seconds=SECONDS,
            accounts=Accounts(plans, counts_money=stop.usd is not None),
            max_turns=settings.max_turns,
        )
        links = InvitationLinks(installation_secret(settings), settings.public_url)
        unsubscribing = Unsubscribing(installation_secret(settings), settings.public_url)
        postman = _build_postman(settings, database, links, unsubscribing)
        keys = ApiKeys(database)
        limits = Limits(
            database,
            requests_per_minute=settings.requests_per_minute,
            turns_per_minute=settings.turns_per_minute,
            trusted_proxies=settings.trusted_proxies,
        )
        visits = await stack.enter_async_context(Visits(database))
        admission = UserAdmission(database, visits, takes_in_strangers=has_stand_in and settings.jwks_url is not None)
        upkeep = Upkeep(server, database, upkeep_policy(settings))
        yield Services(
            settings=settings,
            server=server,
            database=database,
            admission=admission,
            authenticator=Authenticator(verifier, admission, keys),
            issuer=build_issuer(settings),
            accounts=AccountService(database, Passwords()),
            cursors=Cursors(installation_secret(settings)),
            invitations=Invitations(links, sends_mail=settings.smtp_url is not None),
            unsubscribing=unsubscribing,
            readiness=readiness,
            gatherer=Gatherer(await stack.enter_async_context(Readers()), Fetcher(settings.fetch_hosts)),
            embedder=embedder,
            retriever=retriever,
            actions=Actions(database),
            runs=runs,
            limits=limits,
            chat=ChatService(database, runs, limits),
            gate=SocketGate(database, keys, settings.allowed_origins),
            plans=plans,
            upkeep=upkeep,
            tender=tender,
            worker=Worker(server, database, embedder, renews=True, upkeep=upkeep, postman=postman, tender=tender),
        )


def upkeep_policy(settings: Settings, *, drop_detached: bool = False) -> Policy:
    return Policy(settings.keep_messages_months, settings.keep_usage_months, drop_detached)


def open_prompts(settings: Settings) -> PromptLibrary:
    """Raises ConfigurationError."""
    return PromptLibrary(settings.prompts_dir or resource_dir("prompts"))


def _build_postman(
    settings: Settings, database: Database, links: InvitationLinks, unsubscribing: Unsubscribing
) -> Postman:
    """One that sends, where the settings say how."""
    if settings.smtp_url is None or settings.mail_from is None or settings.public_url is None:
        return Postman(database, None)
    # Imported late: mail and its templates take memory that a service without a mail server need not have.
    from assistant.notices.delivery import Delivery
    from assistant.notices.mail import Mailer, MailServer

    server = MailServer.read(settings.smtp_url.get_secret_value())
    delivery = Delivery(
        database,
        Mailer(server, own_name=settings.mail_from.rpartition("@")[2].rstrip("> ")),
        sender=settings.mail_from,
        public_url=settings.public_url,
        links=links,
        unsubscribing=unsubscribing,
    )
    return Postman(database, delivery)


async def open_model(settings: Settings, stack: AsyncExitStack) -> Model:
    """The provider's model where there is one to call, else the offline mentor's."""
    if settings.offline:
        from assistant.mentor.offline.model import OfflineModel

        return OfflineModel()
    # Imported late: the provider's SDK takes 40 MB, which a service without a provider need not have.
    from assistant.llm.model import AnthropicModel

    key = settings.anthropic_api_key
    model = AnthropicModel(
        key.get_secret_value() if key else None, settings.anthropic_base_url, fallback=settings.fallback_model
    )
    stack.push_async_callback(model.aclose)
    return model
