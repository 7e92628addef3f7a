"""`goalspace usage`: what somebody has used of their plan, and what everybody together has."""

import click
import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from assistant.cli.common import find_user, open_database, open_settings, print_json, run
from assistant.errors import NotFoundError
from assistant.settings import Settings
from assistant.usage.installation import Standing, lift_stop, standing
from assistant.usage.plans import load_plans
from assistant.usage.report import read_usage
from assistant.usage.schemas import Totals, UsageRead


@click.command()
@click.argument("email", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object instead of tables.")
@click.option("--lift-stop", is_flag=True, help="Let an installation go on that its limit has stopped.")
def usage(email: str | None, as_json: bool, lift_stop: bool) -> None:
    """Show what the user EMAIL has used this month; without EMAIL, how the installation's limit stands.

    \b
    goalspace usage ada@example.org
    """
    settings = open_settings()
    if lift_stop:
        if email is not None:
            raise click.UsageError("--lift-stop is about everybody: leave EMAIL out.")
        _lift(settings)
    elif email is not None:
        report = run(_read(settings, email))
        print_json(msgspec.to_builtins(report)) if as_json else _show(report)
    else:
        stands = run(_standing(settings))
        print_json(_told(stands)) if as_json else click.echo(_sentence(stands))


async def _read(settings: Settings, email: str) -> UsageRead:
    plans = load_plans(settings.plans_file)
    async with open_database(settings) as database:
        user_id = await find_user(database, email)
        async with database.service_session("settle_usage") as session:
            return await read_usage(session, plans, user_id)


async def _standing(settings: Settings) -> Standing | None:
    async with open_database(settings) as database:
        return await standing(database)


def _lift(settings: Settings) -> None:
    async def lift() -> bool:
        async with open_database(settings) as database:
            return await lift_stop(database)

    if not run(lift()):
        raise NotFoundError("The installation is not stopped.")
    click.echo("The stop is lifted. A limit that is still passed stops the installation again.")


def _told(stands: Standing | None) -> dict[str, object]:
    return {"stop": None if stands is None else msgspec.to_builtins(stands)}


def _sentence(stands: Standing | None) -> str:
    if stands is None:
        return "There is no limit for everybody together (GOALSPACE_STOP_AT_TOKENS, GOALSPACE_STOP_AT_USD)."
    parts = [f"{stands.tokens:,} tokens and {stands.usd:.2f} USD are used this month"]
    if stands.tokens_limit is not None:
        parts.append(f"it stops at {stands.tokens_limit:,} tokens")
    if stands.usd_limit is not None:
        parts.append(f"it stops at {stands.usd_limit:.2f} USD")
    if stands.stopped_at is not None:
        parts.append(f"STOPPED since {stands.stopped_at:%Y-%m-%d %H:%M} UTC: goalspace usage --lift-stop")
    return "; ".join(parts) + "."


def _show(report: UsageRead) -> None:
    out = Console(highlight=False)
    out.print(f"Plan {report.plan}, {report.period_start:%Y-%m-%d} to {report.period_end:%Y-%m-%d} (UTC)")
    resources = _table("", "used", "reserved", "limit", "left")
    for resource in report.resources:
        of_plan = ("–", "–") if resource.limit is None else (f"{resource.limit:,}", f"{resource.left:,}")
        name = resource.resource.replace("_", " ")
        resources.add_row(name, f"{resource.used:,}", f"{resource.reserved:,}", *of_plan)
    out.print(resources)
    groups: dict[str, list[tuple[str, Totals]]] = {
        "day": [(str(each.day), each) for each in report.by_day],
        "space": [(each.title or str(each.space_id or "–"), each) for each in report.by_space],
        "model": [(f"{each.provider} {each.model}", each) for each in report.by_model],
        "action": [(each.action, each) for each in report.by_action],
    }
    for heading, rows in groups.items():
        if rows:
            table = _table(heading, "count", "tokens", "USD")
            for label, totals in rows:
                table.add_row(escape(label), f"{totals.count:,}", f"{totals.tokens_used:,}", _money(totals))
            out.print(table)


def _money(totals: Totals) -> str:
    """With a mark where something of it has no known price."""
    return f"{totals.cost_usd:.4f}{' +?' if totals.without_price else ''}"


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column(first, overflow="fold")
    for name in others:
        table.add_column(name, justify="right")
    return table
