"""`goalspace db report`."""

import click
import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from assistant.cli.common import migrations_url, open_settings
from assistant.db.report import Part
from assistant.db.report import report as look


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object instead of tables.")
def report(as_json: bool) -> None:
    """Say how the database is doing: sizes, indexes, what waits to be cleaned, slow statements, plans of busy queries.

    It changes nothing, and reads the server's statistics: worth a look after an import, and now and then.
    """
    with migrations_url(open_settings()) as url:
        parts = look(url)
    if as_json:
        rows = {part.name: [dict(zip(part.columns, row, strict=True)) for row in part.rows] for part in parts}
        click.echo(msgspec.json.encode(rows).decode())
        return
    console = Console(highlight=False, soft_wrap=True)
    for part in parts:
        console.print(
            f"\n[bold]{escape(part.name)}[/bold]" + (f"  [dim]{escape(part.hint)}[/dim]" if part.hint else "")
        )
        if not part.rows:
            console.print("[dim](none)[/dim]")
        elif part.columns[-1] == "plan":
            for name, plan in part.rows:
                console.print(f"\n{escape(name)}\n[dim]{escape(plan)}[/dim]")
        else:
            console.print(_table(part))


def _table(part: Part) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for n, column in enumerate(part.columns):
        is_number = all(isinstance(row[n], int | float) or row[n] is None for row in part.rows)
        table.add_column("size" if column == "bytes" else column, justify="right" if is_number else "left")
    for row in part.rows:
        table.add_row(*(_shown(column, value) for column, value in zip(part.columns, row, strict=True)))
    return table


def _shown(column: str, value: object) -> str:
    if column == "bytes" and isinstance(value, int):
        return f"{value / 1_000_000:.1f} MB"
    return "" if value is None else escape(str(value))
