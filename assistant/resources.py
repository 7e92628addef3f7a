"""Where the files are that come with the package but are not code: in a wheel inside it, in a checkout beside it."""

from pathlib import Path
from typing import Final

PACKAGE: Final = Path(__file__).parent
_SHIPPED: Final = PACKAGE / "_data"


def resource_dir(name: str) -> Path:
    """`migrations`, `plans`, `prompts` or `clients/typescript`."""
    shipped = _SHIPPED / name
    return shipped if shipped.is_dir() else PACKAGE.parent / name
