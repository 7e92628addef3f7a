"""`goalspace user`, `token` and `space`: people, and what they work in."""

import secrets
import sys
from pathlib import Path
from typing import IO, Any
from uuid import UUID

import click
import msgspec

from assistant.accounts.departure import delete_person
from assistant.accounts.own_data import export_person
from assistant.accounts.passwords import Passwords
from assistant.accounts.repository import has_auth_stand_in
from assistant.accounts.schemas import SignUp
from assistant.accounts.service import AccountService, normalise
from assistant.body import explain
from assistant.cli.common import find_user, open_database, open_settings, print_json, run
from assistant.db.identity import learner
from assistant.db.session import Database
from assistant.errors import ConfigurationError, ConflictError
from assistant.goals import service as goals
from assistant.identity import MAX_TTL_SECONDS, build_issuer
from assistant.mentor.toolbox import WRITE_TOOLS
from assistant.settings import Settings
from assistant.spaces import service as spaces

TIERS = ("free", "basic", "pro", "enterprise")


@click.group()
def user() -> None:
    """People and their accounts."""


@user.command("create")
@click.argument("email")
@click.option("--password", help="To sign in with; at least 8 characters. Without it there is none.")
@click.option("--name", help="Full name.")
@click.option("--tier", type=click.Choice(TIERS), help="Begin a subscription. Without it the tier is free.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object instead of a sentence.")
def create_user(email: str, password: str | None, name: str | None, tier: str | None, as_json: bool) -> None:
    """Make a user with the address EMAIL. The user's id is the last word of the output.

    \b
    goalspace user create ada@example.org --password 'correct horse'
    """
    _check(SignUp, {"email": email.strip(), "password": password or "unused password", "full_name": name})
    user_id = run(_create_user(open_settings(), email, password, name, tier))
    if as_json:
        print_json({"id": user_id, "email": normalise(email)})
    else:
        click.echo(f"Created {normalise(email)} with the id {user_id}")


async def _create_user(
    settings: Settings, email: str, password: str | None, name: str | None, tier: str | None
) -> UUID:
    async with open_database(settings) as database:
        async with database.service("accounts") as connection:
            if not await has_auth_stand_in(connection):
                raise ConfigurationError("This database belongs to an identity provider: make the account there.")
        return await AccountService(database, Passwords()).sign_up(email, password, full_name=name, tier=tier)


@user.command("export")
@click.argument("email")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def export_user(email: str, file: Path) -> None:
    """Write all that is stored of the user EMAIL to FILE, as JSON. The file must not be there yet.

    \b
    goalspace user export ada@example.org ada.json
    """
    if file.exists():
        raise ConflictError(f"{file} is there already.")
    draft = file.with_name(f"{file.name}.{secrets.token_hex(4)}.draft")
    try:
        draft.touch(mode=0o600)
        with draft.open("wb") as opened:
            run(_export_user(open_settings(), email, opened))
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)
    click.echo(f"Wrote {file.stat().st_size:,} bytes to {file}")


async def _export_user(settings: Settings, email: str, output: IO[bytes]) -> None:
    async with open_database(settings) as database:
        async for piece in export_person(database, await find_user(database, email)):
            output.write(piece)


@user.command("delete")
@click.argument("email")
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete_user(email: str, yes: bool) -> None:
    """Delete the user EMAIL with all that is stored of them, for good.

    What others own stays. On a database with an identity provider of its own, the identity stays, too: delete it there.
    """
    if not yes and not sys.stdin.isatty():
        raise click.UsageError("this cannot be taken back: say --yes.")
    if not yes:
        click.confirm(f"Delete {email} with their goals, spaces, posts and conversations?", abort=True)
    run(_delete_user(open_settings(), email))
    click.echo(f"Deleted {normalise(email)}")


async def _delete_user(settings: Settings, email: str) -> None:
    async with open_database(settings) as database:
        await delete_person(database, await find_user(database, email))


@click.command()
@click.argument("email")
@click.option(
    "--ttl",
    default=3600,
    show_default=True,
    type=click.IntRange(1, MAX_TTL_SECONDS),
    help="For how many seconds it is good.",
)
def token(email: str, ttl: int) -> None:
    """Print a token to use the API as the user EMAIL, and nothing else.

    \b
    curl -H "Authorization: Bearer $(goalspace token ada@example.org)" http://127.0.0.1:8000/api/me
    """
    click.echo(run(_issue(open_settings(), email, ttl)))


async def _issue(settings: Settings, email: str, ttl: int) -> str:
    issuer = build_issuer(settings)
    if issuer is None:
        raise ConfigurationError("GOALSPACE_JWKS_URL is set: tokens come from your identity provider.")
    async with open_database(settings) as database:
        return issuer.issue(await find_user(database, email), normalise(email), ttl)


@click.group()
def space() -> None:
    """Learning spaces."""


@space.command("create")
@click.option("--user", "email", required=True, help="Whose space it is: an e-mail address.")
@click.option("--goal", required=True, help="Title of the goal that it serves; made if there is none of that title.")
@click.option("--title", required=True, help="Title of the space.")
@click.option("--let-mentor-write", is_flag=True, help="The mentor may use the tools that change something unasked.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object instead of the id alone.")
def create_space(email: str, goal: str, title: str, let_mentor_write: bool, as_json: bool) -> None:
    """Make a space for one of a user's goals, and print its id.

    \b
    goalspace space create --user ada@example.org --goal "Learn to sail" --title "Sailing basics"
    """
    ids = run(_create_space(open_settings(), email, goal, title, let_mentor_write=let_mentor_write))
    if as_json:
        print_json({"id": ids[0], "goal_id": ids[1], "title": title})
    else:
        click.echo(ids[0])


async def _create_space(
    settings: Settings, email: str, goal: str, title: str, *, let_mentor_write: bool
) -> tuple[UUID, UUID]:
    tools = dict.fromkeys(WRITE_TOOLS, "auto")
    values = {"ai_mentor_config": {"tools": tools}} if let_mentor_write else {}
    async with open_database(settings) as database:
        return await open_space(database, await find_user(database, email), goal, title, **values)


async def open_space(database: Database, user_id: UUID, goal: str, title: str, **values: Any) -> tuple[UUID, UUID]:
    """A space and its goal, by their ids, made as the user. Raises ConflictError where the space is there already."""
    async with database.session(learner(user_id)) as session:
        found = await goals.find_goal(session, goal) or await goals.open_goal(session, user_id, {"title": goal})
        made = await spaces.open_space(session, user_id, {"goal_id": found.id, "title": title, **values})
        return made.id, found.id


def _check(schema: type[msgspec.Struct], values: dict[str, Any]) -> None:
    """The rules of the API, as an error of the command line."""
    try:
        msgspec.convert(values, schema)
    except msgspec.ValidationError as exc:
        path, message = explain(str(exc))
        raise click.UsageError(f"{path}: {message}") from exc
