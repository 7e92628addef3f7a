"""`goalspace serve`, `worker`, `chat` and `demo`."""

import asyncio
import signal
import sys
from typing import Any, Final
from uuid import UUID

import click
from rich.progress import Progress

from assistant.app import create_app
from assistant.cli.approvals import Ask
from assistant.cli.common import find_space, open_settings, run
from assistant.cli.conversation import Conversation, JsonScreen, TextScreen
from assistant.db.identity import Principal
from assistant.db.setup import open_server
from assistant.errors import AssistantError
from assistant.maintenance import create_maintenance_app
from assistant.page.demo import DemoSession
from assistant.sample.content import QUESTION
from assistant.sample.maker import Sample, make_sample, sample_states
from assistant.serving import listen
from assistant.serving import serve as serve_app
from assistant.settings import Settings
from assistant.spaces.mentor_config import MentorConfig
from assistant.state import Services, open_services
from assistant.telemetry import configure_logging
from assistant.worker import Worker

FACTORY: Final = "assistant.app:create_app_from_environment"

host_option = click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
port_option = click.option(
    "--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free one."
)


@click.command()
@host_option
@port_option
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 64), help="Processes that answer.")
@click.option("--migrate", is_flag=True, help="Bring a database given by DATABASE_URL up to date first.")
@click.option("--maintenance", is_flag=True, help="Answer 503 with Retry-After to everything, without a database.")
def serve(host: str, port: int, workers: int, migrate: bool, maintenance: bool) -> None:
    """Serve the API, the websocket and the page.

    Ends at Ctrl-C or SIGTERM: answers under way get some seconds to finish; what is not finished is kept and marked.
    """
    settings = open_settings()
    configure_logging(settings.log_level)
    if maintenance:
        _refuse_all(host, port)
    else:
        _serve(settings, host, port, workers=workers, migrate=migrate)


def _refuse_all(host: str, port: int) -> None:
    listening = listen(host, port)
    address = _address(host, listening.getsockname()[1])
    serve_app(
        create_maintenance_app(),
        listening,
        workers=1,
        on_ready=lambda: click.echo(f"Maintenance: {address} answers 503 until this is ended (Ctrl-C)."),
    )
    click.echo("The maintenance has ended.")


def _serve(
    settings: Settings,
    host: str,
    port: int,
    *,
    workers: int = 1,
    migrate: bool = False,
    demo: DemoSession | None = None,
) -> None:
    listening = listen(host, port)
    # Opened here first, so that what is wrong is said in one line; a share in the embedded server is held to the end.
    server = run(open_server(settings, upgrade=migrate))
    address = _address(host, listening.getsockname()[1])

    def announce() -> None:
        click.echo(f"GoalSpace is ready on {address} (Ctrl-C ends it).")

    try:
        app: Any = FACTORY if workers > 1 else create_app(settings, demo=demo)
        serve_app(app, listening, workers=workers, on_ready=announce)
    finally:
        run(server.aclose())
    click.echo("GoalSpace has stopped.")


def _address(host: str, port: int) -> str:
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{shown}:{port}"


@click.command()
def worker() -> None:
    """Run background jobs, such as indexing, in a process of their own. Ends at Ctrl-C or SIGTERM."""
    settings = open_settings()
    configure_logging(settings.log_level)
    run(_work(settings))


async def _work(settings: Settings) -> None:
    async with open_services(settings) as services, services.worker:
        click.echo("The worker is ready (Ctrl-C ends it).")
        await _until_told_to_stop()


async def _until_told_to_stop() -> None:
    stop = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    await stop.wait()


@click.command()
@click.argument("space", type=click.UUID)
@click.argument("message", required=False)
@click.option("--user", "email", help="Whose conversation it is. Without it the space's owner's.")
@click.option("--thread", "thread_id", metavar="NAME", help="Go on with the conversation of that name, or begin it.")
@click.option("--json", "as_json", is_flag=True, help="Print the events of the answer, one AG-UI event a line.")
def chat(space: UUID, message: str | None, email: str | None, thread_id: str | None, as_json: bool) -> None:
    """Ask the mentor of SPACE, and see the answer with its sources. Without MESSAGE: a conversation.

    \b
    goalspace chat 8e0c… 'Which boat has to give way?'
    """
    screen = JsonScreen() if as_json else TextScreen()
    run(_chat(open_settings(), space, message, email, thread_id, screen))


async def _chat(
    settings: Settings,
    space: UUID,
    message: str | None,
    email: str | None,
    thread_id: str | None,
    screen: JsonScreen | TextScreen,
) -> None:
    async with open_services(settings) as services:
        principal = await find_space(services.database, space, email)
        await services.runs.start()
        try:
            conversation = Conversation(
                services.chat, services.actions, principal, space, screen, ask=keyboard(screen), thread_id=thread_id
            )
            if message is not None:
                if not await conversation.ask(message):
                    sys.exit(1)
            else:
                if thread_id is None:
                    await _greet(services, principal, space, screen)
                # A long conversation is summarised meanwhile, also where no service runs.
                async with Worker(services.server, services.database, services.embedder, tender=services.tender):
                    await conversation.talk(_prompt)
        finally:
            await services.runs.close(grace=0)


def keyboard(screen: JsonScreen | TextScreen) -> Ask | None:
    """Where somebody can be asked: not among the events that a program reads, wherever its own keys come from."""
    return input if isinstance(screen, TextScreen) and sys.stdin.isatty() else None


async def _greet(services: Services, principal: Principal, space: UUID, screen: JsonScreen | TextScreen) -> None:
    """What the space's owner has to say to who comes, and what they could ask."""
    statement = "select ai_mentor_config from public.spaces where id = %s"
    for (stored,) in await services.database.fetch(principal, statement, (space,)):
        config = MentorConfig.parse(stored)
        for line in (config.greeting, *(f"· {prompt}" for prompt in config.suggested_prompts)):
            if line:
                screen.tell(line)


def _prompt() -> str:
    """A line from the keyboard; of a pipe, all of it that is left is read line by line."""
    if sys.stdin.isatty():
        return input("\n> ")
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line


@click.command()
@click.option("--no-serve", is_flag=True, help="Only ask the question, and end.")
@host_option
@port_option
def demo(no_serve: bool, host: str, port: int) -> None:
    """Try it: a sample learner with a space, one question, its cited answer, then the page to go on talking.

    What was made stays in the data directory; a second call goes on with it.
    """
    settings = open_settings()
    server = run(open_server(settings, upgrade=True))
    try:
        session = run(_demonstrate(settings))
        if not no_serve:
            click.echo()
            _serve(settings, host, port, demo=session)
    finally:
        run(server.aclose())


async def _demonstrate(settings: Settings) -> DemoSession:
    async with open_services(settings) as services:
        sample = await make_sample(services.database, services.accounts)
        await _index(services, sample)
        who = "the offline mentor, which quotes" if settings.offline else f"the model {settings.model}"
        click.echo(f"Asking {who}:\n\n> {QUESTION}\n")
        await services.runs.start()
        try:
            await Conversation(services.chat, services.actions, sample.principal, sample.space_id, TextScreen()).ask(
                QUESTION
            )
        finally:
            await services.runs.close(grace=0)
    return DemoSession(sample.user_id, sample.space_id)


async def _index(services: Services, sample: Sample) -> None:
    """Wait until the sample's documents can be searched. Raises AssistantError where one cannot be."""
    async with services.worker:
        with Progress(transient=True, disable=not sys.stdout.isatty()) as progress:
            bar = progress.add_task("Indexing the sample documents", total=None)
            while True:
                states = await sample_states(services.database, sample)
                done = sum(state == "ready" for state, _ in states)
                progress.update(bar, total=len(states), completed=done)
                if done == len(states):
                    return
                if failed := next((error for state, error in states if state in ("failed", "quarantined")), None):
                    raise AssistantError(f"A sample document could not be indexed: {failed}")
                await asyncio.sleep(0.1)
