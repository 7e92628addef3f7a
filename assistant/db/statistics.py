"""Telling the planner that much has changed at once, sooner than the server would notice by itself."""

from typing import Final, Literal

from sqlalchemy import text

from assistant.db.session import Database

Area = Literal["conversations", "knowledge", "learning"]

MANY: Final = 100
"""Documents, or as much else, that come at once: so many may change what a plan is good for."""


async def refresh_statistics(database: Database, *areas: Area) -> None:
    """ANALYZE the tables of these areas: after many rows came at once, as by an import. Takes seconds at any size."""
    for area in areas:
        async with database.service("maintain") as connection:
            await connection.execute(text("select assistant.refresh_statistics(:area)"), {"area": area})
