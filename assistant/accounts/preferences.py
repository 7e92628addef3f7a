"""What people may say in `notification_settings`. Other keys are theirs, and kept as they are."""

from typing import Annotated, Final
from zoneinfo import ZoneInfo

import msgspec
from msgspec import UNSET, Meta, UnsetType

from assistant.body import strictly
from assistant.errors import InvalidError

MAX_BYTES: Final = 3_000
"""As JSON. The database takes 4,096 of its own."""

PATH: Final = "notification_settings"


class NotificationSettings(msgspec.Struct):
    """The keys that the service knows. What is not said is wanted, for who has an address that wants mail.

    `email` turns all mail off; `invitations` and `due_tasks` one kind of it. What is due is told in the hour
    `due_tasks_hour` (7) of `time_zone` (UTC). `push` is for clients that have a way to do so.
    """

    email: bool | UnsetType = UNSET
    push: bool | UnsetType = UNSET
    invitations: bool | UnsetType = UNSET
    due_tasks: bool | UnsetType = UNSET
    due_tasks_hour: Annotated[int, Meta(ge=0, le=23)] | UnsetType = UNSET
    time_zone: Annotated[str, Meta(min_length=1, max_length=60)] | UnsetType = UNSET


def check_notification_settings(value: object) -> None:
    """Raises InvalidError with the path of what is wrong."""
    if len(msgspec.json.encode(value)) > MAX_BYTES:
        raise InvalidError(f"Settings may have {MAX_BYTES} bytes.", path=PATH)
    try:
        known = strictly(value, NotificationSettings)
    except InvalidError as error:
        path = error.extra["errors"][0]["path"]
        raise InvalidError(error.detail, path=f"{PATH}.{path}") from error
    if known.time_zone is not UNSET and not is_time_zone(known.time_zone):
        raise InvalidError("This is no time zone such as Europe/Berlin.", path=f"{PATH}.time_zone")


def is_time_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown, no name at all, a folder of names
        return False
    return True
