"""Imports point one way, and the server's start stays light."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]

LATE = (
    *("alembic", "anthropic", "bs4", "charset_normalizer", "httpx2", "langchain", "lxml", "mammoth", "onnxruntime"),
    *("pptx", "pypdfium2", "python_calamine", "tokenizers", "trafilatura"),
)
"""Each costs the idle server 10 to 45 MB, or a part of a second at its start. (structlog itself imports rich.)"""


def test_every_module_imports_only_what_is_below_it() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([lint, "--no-logo", "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_application_is_imported_without_what_only_some_requests_need() -> None:
    show = "import sys, json, assistant.app; print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    done = subprocess.run([sys.executable, "-c", show], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    loaded = json.loads(done.stdout)
    assert [name for name in loaded if name.startswith(LATE)] == []
