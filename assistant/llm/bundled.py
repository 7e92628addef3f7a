"""The embedder that comes with the package: all-MiniLM-L6-v2, int8, on one core, without a network.

Texts are embedded one at a time. On one core a batch is no faster (its padding costs more than it saves), it needs
more memory, and its int8 rounding would make a text's vector depend on the texts beside it.
"""

import asyncio
import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np
import numpy.typing as npt

from assistant.errors import ConfigurationError

if TYPE_CHECKING:  # at run time they are imported with the first text: together they cost an idle server 20 MB
    from onnxruntime import InferenceSession
    from tokenizers import Tokenizer

FloatArray = npt.NDArray[np.float32]

FOLDER: Final = Path(__file__).resolve().parents[1] / "_data" / "embedder"
"""Made by the package's build."""

PASSAGE_THREADS: Final = max(1, (os.cpu_count() or 1) // 2)
"""Half the machine: indexing a large document must not take the other cores from the people who are talking."""

MAX_CHARACTERS: Final = 16_384
"""Of a text, the part that is looked at. Its first 256 tokens are what counts, and they are shorter in any prose."""


class Manifest(msgspec.Struct, frozen=True):
    """What the build says of the files that it made."""

    model: str
    dimensions: int
    files: dict[str, str]
    """Name → sha256."""


@dataclass(frozen=True, slots=True)
class _Encoder:
    """The loaded model. Safe to use from several threads at once, and each of them outside Python's lock."""

    tokenizer: "Tokenizer"
    session: "InferenceSession"

    def encode(self, text: str) -> FloatArray:
        # A lone surrogate, which JSON can carry, is no text to the tokenizer.
        readable = text[:MAX_CHARACTERS].encode("utf-8", "replace").decode("utf-8")
        ids = np.array([self.tokenizer.encode(readable).ids], np.int64)
        (vectors,) = self.session.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids)})
        vector: FloatArray = vectors[0]
        return vector


class MiniLM:
    """Unit vectors of English text; beyond 256 tokens a text is cut. Loads itself with the first text.

    `threads` is the number of passages that are embedded at the same time. A query has a thread of its own, so that
    it never waits behind passages.
    Raises ConfigurationError when the files are not there, and when they are loaded and are not what the build made.
    """

    def __init__(self, folder: Path = FOLDER, *, threads: int = PASSAGE_THREADS) -> None:
        self._folder = folder
        self.manifest = _read_manifest(folder)
        self._encoder: _Encoder | None = None
        self._loading = Lock()
        self._query_thread = ThreadPoolExecutor(1, "embed-query")
        self._passage_threads = ThreadPoolExecutor(threads, "embed-passage")

    def load(self) -> None:
        """Load the model now, which takes about 0.2 seconds and 70 MB; a second call does nothing."""
        self._loaded()

    def encode(self, text: str) -> FloatArray:
        """The vector of one text, in the caller's thread."""
        return self._loaded().encode(text)

    async def encode_query(self, text: str) -> FloatArray:
        return await asyncio.get_running_loop().run_in_executor(self._query_thread, self.encode, text)

    async def encode_passages(self, texts: Sequence[str]) -> FloatArray:
        """One row for each text. Cancelled, it stops before the next text."""
        loop = asyncio.get_running_loop()
        rows = await asyncio.gather(*(loop.run_in_executor(self._passage_threads, self.encode, text) for text in texts))
        return np.array(rows, np.float32).reshape(len(texts), self.manifest.dimensions)

    def _loaded(self) -> _Encoder:
        with self._loading:
            if self._encoder is None:
                self._encoder = _load(self._folder, self.manifest)
            return self._encoder


def _load(folder: Path, manifest: Manifest) -> _Encoder:
    for name, expected in manifest.files.items():
        if _sha256(folder / name) != expected:
            raise _broken(folder / name)

    from onnxruntime import InferenceSession, SessionOptions
    from tokenizers import Tokenizer

    options = SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False  # an arena keeps the largest text's memory for ever, and is no faster here
    options.log_severity_level = 3  # errors; its warnings are about graphics cards that are not there
    session = InferenceSession(folder / "model.onnx", options, providers=["CPUExecutionProvider"])
    return _Encoder(Tokenizer.from_file(str(folder / "tokenizer.json")), session)


def _read_manifest(folder: Path) -> Manifest:
    try:
        manifest = msgspec.json.decode((folder / "manifest.json").read_bytes(), type=Manifest)
    except (OSError, msgspec.DecodeError) as exc:
        raise _broken(folder / "manifest.json") from exc
    if missing := {"model.onnx", "tokenizer.json"} - manifest.files.keys():
        raise _broken(folder / min(missing))
    return manifest


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as exc:
        raise _broken(path) from exc


def _broken(path: Path) -> ConfigurationError:
    return ConfigurationError(
        f"The bundled embedder's file {path} is missing or damaged: install the package again, "
        "or run `python build_hooks/build_embedder.py` in a checkout."
    )
