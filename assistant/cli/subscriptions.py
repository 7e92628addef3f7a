"""`goalspace subscription`: what people are subscribed to."""

from datetime import UTC, datetime, time
from typing import get_args

import click

from assistant.accounts.subscriptions import Tier, set_subscription
from assistant.cli.common import find_user, open_database, open_settings, run
from assistant.settings import Settings


class Moment(click.ParamType[datetime]):
    """A day, which counts to its end in UTC, or a moment with its offset."""

    name = "date"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        try:
            moment = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is no date such as 2027-01-31.", param, ctx)
        if len(str(value)) <= len("2027-01-31"):
            moment = datetime.combine(moment, time(23, 59, 59), UTC)
        elif moment.tzinfo is None:
            self.fail(f"{value!r} needs its offset from UTC, such as Z.", param, ctx)
        if moment <= datetime.now(UTC):
            self.fail(f"{value} is over: a subscription ends in the future.", param, ctx)
        return moment


@click.group()
def subscription() -> None:
    """What people are subscribed to."""


@subscription.command("set")
@click.argument("email")
@click.argument("tier", type=click.Choice(get_args(Tier)))
@click.option("--until", metavar="DATE", type=Moment(), help="Last day, in UTC. Without it there is no end.")
def set_tier(email: str, tier: Tier, until: datetime | None) -> None:
    """Give the user EMAIL a TIER from now on. What they had before ends; 'free' only ends it.

    \b
    goalspace subscription set ada@example.org pro --until 2027-01-31
    """
    if tier == "free" and until is not None:
        raise click.UsageError("The tier free has no end: leave --until out.")
    run(_set(open_settings(), email, tier, until))
    end = f" until {until.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if until else ""
    click.echo(f"{email} has the tier {tier}{end}.")


async def _set(settings: Settings, email: str, tier: Tier, until: datetime | None) -> None:
    async with open_database(settings) as database:
        await set_subscription(database, await find_user(database, email), tier, until)
