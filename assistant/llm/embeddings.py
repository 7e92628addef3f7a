"""Embedders by name: text → unit vectors, which are compared by their inner product.

bundled            all-MiniLM-L6-v2 in this process, English (`bundled.py`)
provider:model     any hosted or local one that LangChain's `init_embeddings` knows
"""

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

import numpy as np
import structlog
from pydantic import ValidationError

from assistant.errors import ConfigurationError, UnavailableError
from assistant.llm.bundled import PASSAGE_THREADS, FloatArray, MiniLM

if TYPE_CHECKING:  # LangChain takes 35 MB, which a service with the bundled embedder need not have
    from langchain_core.embeddings import Embeddings

__all__ = ["Embedder", "EmbedderUnavailableError", "FloatArray", "build_embedder"]

log = structlog.get_logger(__name__)

Answer = TypeVar("Answer")

MAX_DIMENSIONS: Final = 1536
"""What the vector column holds."""

QUERY_SECONDS: Final = 10.0
"""A person waits for a query; SDKs would wait ten minutes."""

PASSAGES_SECONDS: Final = 120.0
"""For one call with `PASSAGES_PER_CALL` of them, the SDK's own retries included."""

PASSAGES_PER_CALL: Final = 64
"""Below every provider's limit, and little to send again when a call fails."""


class EmbedderUnavailableError(UnavailableError):
    """A hosted embedder that cannot be reached, refuses, or answers with what are no vectors."""

    code, title = "embedder_unavailable", "The embedding model failed"

    def __init__(self, detail: str = "The embedding model cannot be reached; please try again in a moment.") -> None:
        super().__init__(detail)


class VectorSource(Protocol):
    """What an embedder stands on."""

    async def encode_query(self, text: str) -> FloatArray: ...

    async def encode_passages(self, texts: Sequence[str]) -> FloatArray: ...


@dataclass(frozen=True, slots=True)
class Embedder:
    """Text → vectors of unit length, comparable with vectors of the same `model` only."""

    model: str
    """Recorded with each chunk."""
    dimensions: int | None
    """Known beforehand for the bundled one only; a hosted one's vectors show their width, at most 1536."""
    languages: frozenset[str] | None
    """ISO 639-1 codes of the languages that it is good for; None: any. In others its vectors mean little."""
    source: VectorSource

    async def embed_query(self, text: str) -> FloatArray:
        """One vector, float32 [dimensions]. Raises EmbedderUnavailableError."""
        return await self.source.encode_query(text)

    async def embed_passages(self, texts: Sequence[str]) -> FloatArray:
        """A row for each text, in their order, float32 [n, dimensions]. Raises EmbedderUnavailableError."""
        return await self.source.encode_passages(texts)


def build_embedder(name: str, *, threads: int = PASSAGE_THREADS) -> Embedder:
    """The embedder that a setting names: `bundled`, which loads with its first text, or `provider:model`.

    `threads` bounds how many passages the bundled one embeds at a time. Nobody is called to see whether he answers.
    Raises ConfigurationError: files are missing, the provider is unknown, its package or its key is not there.
    """
    if name == "bundled":
        bundled = MiniLM(threads=threads)
        manifest = bundled.manifest
        return Embedder(manifest.model, manifest.dimensions, frozenset({"en"}), bundled)
    return Embedder(name, None, None, HostedVectors(name, _init_hosted(name)))


class HostedVectors:
    """LangChain embeddings of another's making, whose answers are checked before anybody stores them."""

    def __init__(self, model: str, embeddings: "Embeddings") -> None:
        self._model = model
        self._embeddings = embeddings

    async def encode_query(self, text: str) -> FloatArray:
        answer = await self._call(self._embeddings.aembed_query(text), QUERY_SECONDS)
        vector: FloatArray = self._check([answer], 1)[0]
        return vector

    async def encode_passages(self, texts: Sequence[str]) -> FloatArray:
        batches = [list(texts[start : start + PASSAGES_PER_CALL]) for start in range(0, len(texts), PASSAGES_PER_CALL)]
        parts = [await self._encode_batch(batch) for batch in batches]
        if len({part.shape[1] for part in parts}) > 1:
            raise self._unusable("vectors of different widths")
        return np.concatenate(parts) if parts else np.empty((0, 0), np.float32)

    async def _encode_batch(self, texts: list[str]) -> FloatArray:
        answer = await self._call(self._embeddings.aembed_documents(texts), PASSAGES_SECONDS)
        return self._check(answer, len(texts))

    async def _call(self, call: Awaitable[Answer], seconds: float) -> Answer:
        try:
            async with asyncio.timeout(seconds):
                return await call
        except Exception as exc:  # each provider's SDK has errors of its own; their text may repeat what was sent
            log.warning("embedder_failed", model=self._model, fault=type(exc).__name__)
            raise EmbedderUnavailableError from exc

    def _check(self, answer: object, count: int) -> FloatArray:
        """`answer` as unit rows, or an error that says what it is instead."""
        try:
            matrix = np.asarray(answer, np.float64)
        except (TypeError, ValueError) as exc:
            raise self._unusable("no list of vectors of one width") from exc
        if matrix.ndim != 2 or len(matrix) != count:
            raise self._unusable(f"not {count} vectors")
        if not 1 <= matrix.shape[1] <= MAX_DIMENSIONS:
            raise self._unusable(f"vectors of {matrix.shape[1]} dimensions, where 1 to {MAX_DIMENSIONS} fit")
        with np.errstate(over="ignore"):
            lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
        if not (np.isfinite(lengths).all() and lengths.all()):
            raise self._unusable("vectors without a direction")
        unit: FloatArray = (matrix / lengths).astype(np.float32)
        return unit

    def _unusable(self, what: str) -> EmbedderUnavailableError:
        log.warning("embedder_unusable", model=self._model, fault=what)
        return EmbedderUnavailableError(f"The embedding model {self._model} answered with {what}.")


def _init_hosted(name: str) -> "Embeddings":
    if ":" not in name:
        raise ConfigurationError(f"GOALSPACE_EMBEDDINGS: {name!r} is neither `bundled` nor `provider:model`.")

    # Only where it is needed: LangChain's registry costs 10 MB and half a second.
    from langchain.embeddings import init_embeddings

    try:
        return init_embeddings(name)
    except Exception as exc:  # whatever a provider's class raises for a missing key or package
        raise ConfigurationError(f"GOALSPACE_EMBEDDINGS: {name!r} cannot be used: {_first_line(exc)}") from exc


def _first_line(exc: Exception) -> str:
    """What went wrong, in one line. A validation error's own text would repeat the values, a key among them."""
    text = str(exc.errors(include_input=False)[0]["msg"]) if isinstance(exc, ValidationError) else str(exc)
    return (text.strip().splitlines() or [type(exc).__name__])[0][:300]
