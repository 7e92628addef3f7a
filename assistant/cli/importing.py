"""`goalspace db import`."""

from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Final

import click
import msgspec
from rich.console import Console
from rich.table import Table

from assistant.cli.common import migrations_url, open_settings, telling
from assistant.db.importing.mapping import ImportProblem, read_mapping
from assistant.db.importing.run import ImportReport, import_from
from assistant.spaces.mentor_config import validate_config

CHECKS: Final = MappingProxyType({"spaces.ai_mentor_config": validate_config})
"""What the API would refuse, too."""


@click.command("import")
@click.option(
    "--from", "dsn", required=True, help="The old database; it is only read. A password may be in PGPASSWORD."
)
@click.option(
    "--map",
    "file",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="The mapping file: TOML with a query for each table that is filled.",
)
@click.option("--dry-run", is_flag=True, help="Do all of it, and take it back.")
@click.option(
    "--backup",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where the backup that comes first is written. Without it: backups/ in the data directory.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as a JSON object.")
def import_data(dsn: str, file: Path, dry_run: bool, backup: Path | None, as_json: bool) -> None:
    """Take over the data of an earlier schema: into empty tables, all of it or nothing.

    Queries, columns, types and nulls are checked before anything is written. Then a backup is made, the rows are copied
    in one transaction, and rows and the checksum of each column are compared; where anything differs, nothing is kept.
    docs/importing.md has an example. Stop the service first, or run it with --maintenance.
    """
    mapping = read_mapping(file)
    settings = open_settings()
    made_at = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    place = backup or settings.data_dir / "backups" / f"before-import-{made_at}.backup"
    try:
        with migrations_url(settings) as url, telling() as tell:
            report = import_from(dsn, url, mapping, place, dry_run=dry_run, checks=CHECKS, tell=tell)
    except ImportProblem as problem:
        for each in problem.problems[:-1]:
            click.echo(each, err=True)
        raise ImportProblem(problem.problems[-1:]) from problem
    if as_json:
        click.echo(msgspec.json.encode(report).decode())
    else:
        _show(report)


def _show(report: ImportReport) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("table", "rows", "columns, each compared"):
        table.add_column(heading, justify="right" if heading == "rows" else "left")
    for each in report.tables:
        table.add_row(each.table, str(each.rows), ", ".join(each.columns))
    Console(highlight=False, soft_wrap=True).print(table)
    click.echo(f"The database has checked {report.foreign_keys} foreign keys.")
    if report.queued_documents:
        click.echo(f"{report.queued_documents} documents wait to be indexed; the service does it when it runs.")
    click.echo(f"The backup from before is {report.backup}.")
    click.echo("Everything was imported." if report.kept else "Nothing was kept: this was a rehearsal (--dry-run).")
