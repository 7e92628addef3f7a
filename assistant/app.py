"""The web application, wired: routes, what they are given, what surrounds them. Nothing else is decided here."""

import asyncio
import contextvars
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from uuid import UUID

from litestar import Litestar, Router
from litestar.config.cors import CORSConfig
from litestar.connection import Request
from litestar.datastructures import State
from litestar.di import NamedDependency, Provide
from sqlalchemy.ext.asyncio import AsyncSession

from assistant.accounts.admission import UserAdmission
from assistant.accounts.billing import BillingGate, take_in_billing_event
from assistant.accounts.keys_routes import KeyController
from assistant.accounts.own_data_routes import OwnDataController
from assistant.accounts.routes import AuthController, MeController
from assistant.accounts.service import AccountService
from assistant.blog.routes import BlogController
from assistant.body import StrictRequest
from assistant.chat.routes import ConversationController, RunController
from assistant.chat.service import ChatService
from assistant.chat.socket import agent_socket
from assistant.chat.sockets import SocketGate
from assistant.chat.thread_routes import MessageController, ThreadController
from assistant.chat.threads import ThreadService
from assistant.db.identity import Principal
from assistant.db.session import Database
from assistant.entity_tags import NotModified, provide_preconditions, tag_answer
from assistant.goals.routes import GoalController
from assistant.health import HealthController, Readiness
from assistant.http import DEFAULT_BODY_BYTES, KeepNames, RefuseNul, render_problem, secure_headers
from assistant.identity import Authentication, Authenticator, TokenIssuer, person_of, provide_principal
from assistant.knowledge.ingestion import Gatherer
from assistant.knowledge.retrieval import Retriever
from assistant.knowledge.routes import DocumentController, SpaceDocumentController
from assistant.limits import Limits
from assistant.mentor.actions.routes import ActionController
from assistant.mentor.actions.service import Actions
from assistant.notices.unsubscribing import UnsubscribeController, Unsubscribing
from assistant.openapi import Contract
from assistant.page.demo import DemoSession
from assistant.page.routes import page_routes
from assistant.pagination import provide_paginator
from assistant.settings import Settings, load_settings
from assistant.sharing.comment_routes import CommentController, comments_on
from assistant.sharing.inviting import Invitations
from assistant.sharing.routes import CollaboratorController, InvitationController
from assistant.spaces.order import ModuleOrderController
from assistant.spaces.routes import AllTasksController, ModuleController, SpaceController, TaskController
from assistant.state import Services, open_services
from assistant.telemetry import Metrics, ObserveRequests, configure_logging
from assistant.upkeep.gauges import UpkeepGauges
from assistant.usage.plans import Plans
from assistant.usage.routes import get_usage

GRACE_SECONDS: Final = 10.0
"""At the end: for answers whose listeners the server has sent away by then. With its own 15 s it makes less than 30."""


def create_app(settings: Settings, *, demo: DemoSession | None = None) -> Litestar:
    """A service on `settings`. Nothing is opened before its lifespan begins, and nothing is left open after it.

    With `demo`, a browser on this machine is let in without a password.
    """
    metrics = Metrics()
    upkeep_gauges = UpkeepGauges(metrics.registry)
    billing = BillingGate(settings.billing_secret.get_secret_value() if settings.billing_secret else None)

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        async with open_services(settings) as services:
            app.state.services = services
            upkeep_gauges.show(services.upkeep)
            await services.runs.start()
            services.worker.start()
            watch = asyncio.create_task(services.gate.run(), context=contextvars.Context())
            try:
                yield
            finally:
                watch.cancel()
                await asyncio.gather(services.runs.close(GRACE_SECONDS), services.worker.stop())

    api = Router(
        "/",
        route_handlers=[
            MeController,
            OwnDataController,
            KeyController,
            get_usage,
            GoalController,
            SpaceController,
            ModuleController,
            ModuleOrderController,
            AllTasksController,
            TaskController,
            CollaboratorController,
            InvitationController,
            comments_on("module"),
            comments_on("document"),
            comments_on("task"),
            CommentController,
            BlogController,
            SpaceDocumentController,
            DocumentController,
            ConversationController,
            RunController,
            ThreadController,
            MessageController,
            ActionController,
        ],
        middleware=[Authentication(), RefuseNul(), NotModified()],
        after_request=tag_answer,
        dependencies={
            "principal": Provide(provide_principal, sync_to_thread=False),
            "me": Provide(provide_me, sync_to_thread=False),
            "analytics_session": Provide(provide_analytics_session),
            "db_session": Provide(provide_session),
            "paginator": Provide(provide_paginator, sync_to_thread=False),
            "preconditions": Provide(provide_preconditions, sync_to_thread=False),
        },
    )
    contract = Contract()
    app = Litestar(
        route_handlers=[
            HealthController,
            AuthController,
            take_in_billing_event,
            agent_socket,
            UnsubscribeController,
            api,
            *page_routes(local_accounts=settings.jwks_url is None, demo=demo),
        ],
        dependencies={
            "admission": Provide(provide_admission, sync_to_thread=False),
            "authenticator": Provide(provide_authenticator, sync_to_thread=False),
            "chat": Provide(provide_chat, sync_to_thread=False),
            "gate": Provide(provide_gate, sync_to_thread=False),
            "actions": Provide(provide_actions, sync_to_thread=False),
            "accounts": Provide(provide_accounts, sync_to_thread=False),
            "billing": Provide(lambda: billing, sync_to_thread=False),
            "database": Provide(provide_database, sync_to_thread=False),
            "invitations": Provide(provide_invitations, sync_to_thread=False),
            "limits": Provide(provide_limits, sync_to_thread=False),
            "issuer": Provide(provide_issuer, sync_to_thread=False),
            "metrics": Provide(lambda: metrics, sync_to_thread=False),
            "plans": Provide(provide_plans, sync_to_thread=False),
            "readiness": Provide(provide_readiness, sync_to_thread=False),
            "gatherer": Provide(provide_gatherer, sync_to_thread=False),
            "retriever": Provide(provide_retriever, sync_to_thread=False),
            "threads": Provide(provide_threads, sync_to_thread=False),
            "unsubscribing": Provide(provide_unsubscribing, sync_to_thread=False),
        },
        lifespan=[lifespan],
        middleware=[ObserveRequests(metrics)],
        before_send=[secure_headers],
        exception_handlers={Exception: render_problem},
        cors_config=_cors(settings),
        request_class=StrictRequest,
        request_max_body_size=DEFAULT_BODY_BYTES,
        logging_config=None,
        openapi_config=contract.config,
        plugins=[contract],
    )
    app.asgi_handler = KeepNames(app.asgi_handler)
    return app


def create_app_from_environment() -> Litestar:
    """For servers that start several processes, each of which reads the settings itself."""
    settings = load_settings()
    configure_logging(settings.log_level)
    return create_app(settings)


def _cors(settings: Settings) -> CORSConfig | None:
    """Exact origins, and never cookies: a page sends the token that it was given."""
    if not settings.allowed_origins:
        return None
    return CORSConfig(
        allow_origins=list(settings.allowed_origins),
        allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
        allow_headers=[
            "authorization",
            "content-type",
            "idempotency-key",
            "if-match",
            "if-none-match",
            "last-event-id",
            "x-request-id",
        ],
        expose_headers=["etag", "idempotency-replayed", "retry-after", "x-request-id"],
    )


# --- what requests are given ------------------------------------------------------------------------------------------


async def provide_session(
    database: NamedDependency[Database], principal: NamedDependency[Principal]
) -> AsyncIterator[AsyncSession]:
    """One transaction as the caller: committed after the handler and before the answer, so that it can still fail."""
    async with database.session(principal) as session:
        yield session


async def provide_analytics_session(
    database: NamedDependency[Database], principal: NamedDependency[Principal]
) -> AsyncIterator[AsyncSession]:
    """For figures that may be some seconds old; see `Database.analytics`."""
    async with database.analytics(principal) as session:
        yield session


def provide_me(request: Request[object, object, State]) -> UUID:
    """The caller's id, for routes whose guard lets in people only."""
    principal: Principal = request.scope["user"]
    return person_of(principal)


def _services(state: State) -> Services:
    services: Services = state.services
    return services


def provide_database(state: State) -> Database:
    return _services(state).database


def provide_accounts(state: State) -> AccountService:
    return _services(state).accounts


def provide_admission(state: State) -> UserAdmission:
    return _services(state).admission


def provide_authenticator(state: State) -> Authenticator:
    return _services(state).authenticator


def provide_chat(state: State) -> ChatService:
    return _services(state).chat


def provide_gate(state: State) -> SocketGate:
    return _services(state).gate


def provide_actions(state: State) -> Actions:
    return _services(state).actions


def provide_invitations(state: State) -> Invitations:
    return _services(state).invitations


def provide_issuer(state: State) -> TokenIssuer | None:
    return _services(state).issuer


def provide_limits(state: State) -> Limits:
    return _services(state).limits


def provide_plans(state: State) -> Plans:
    return _services(state).plans


def provide_readiness(state: State) -> Readiness:
    return _services(state).readiness


def provide_threads(state: State) -> ThreadService:
    services = _services(state)
    return ThreadService(services.database, services.chat)


def provide_unsubscribing(state: State) -> Unsubscribing:
    return _services(state).unsubscribing


def provide_gatherer(state: State) -> Gatherer:
    return _services(state).gatherer


def provide_retriever(state: State) -> Retriever:
    return _services(state).retriever
