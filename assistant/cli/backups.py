"""`goalspace db backup` and `restore`."""

from pathlib import Path

import click

from assistant.cli.common import migrations_url, open_settings, run, telling
from assistant.db import backup as backups
from assistant.db import migrate
from assistant.db.archive import read_archive
from assistant.db.restore import restore as put_back
from assistant.db.setup import open_server
from assistant.settings import Settings


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def backup(file: Path) -> None:
    """Write all that is in the database to FILE, as it is at one moment; the service may go on.

    The file is readable by its owner only. It holds no settings and no secrets of the data directory, but everything
    that people wrote.
    """
    with migrations_url(open_settings()) as url, telling() as tell:
        manifest = backups.backup(url, file, tell)
    size = file.stat().st_size / 1_000_000
    click.echo(f"Backed up {len(manifest.tables)} tables with {manifest.rows} rows to {file} ({size:.1f} MB).")


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
def restore(file: Path) -> None:
    """Put the backup FILE back into an empty database, and bring that up to this version.

    The file is checked before the database is touched. What was restored is compared with what was counted when the
    backup was made; where anything differs, nothing is kept.
    """
    settings = open_settings()
    with telling() as tell:
        tell("Checking the file")
        archive = read_archive(file)
        with migrations_url(settings) as url:
            put_back(url, archive, tell)
            run(_bring_up_to_date(settings))
    manifest = archive.manifest
    click.echo(
        f"Restored {len(manifest.tables)} tables with {manifest.rows} rows, all as they were at {manifest.made_at}; "
        f"the database is at revision {migrate.head()}."
    )


async def _bring_up_to_date(settings: Settings) -> None:
    """With logins, whose passwords are new where the data directory has none."""
    async with await open_server(settings, upgrade=True):
        pass
