"""What the package's build makes besides copying files."""

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.config import BuilderConfig
from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class DataBuildHook(BuildHookInterface[BuilderConfig]):
    """Makes the data files that an installed package needs, for wheels and editable installs alike."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        sys.path.insert(0, str(Path(self.root) / "build_hooks"))
        from build_embedder import EmbedderBuildError, ensure_embedder

        try:
            ensure_embedder(Path(self.root))
        except EmbedderBuildError as error:
            self.app.abort(str(error))
