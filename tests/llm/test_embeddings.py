"""The bundled embedder on its real model, and hosted ones behind LangChain's own door."""

import asyncio
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from langchain_core.embeddings import Embeddings

from assistant.errors import ConfigurationError
from assistant.llm import embeddings as module
from assistant.llm.bundled import FOLDER
from assistant.llm.embeddings import (
    Embedder,
    EmbedderUnavailableError,
    FloatArray,
    build_embedder,
)
from assistant.llm.interop import BundledEmbeddings

PASSAGES = [
    "Photosynthesis turns sunlight, water and carbon dioxide into sugar.",
    "The stock market fell sharply after the central bank raised interest rates.",
    "Bread.",
    "Simmer the onions in butter until they are soft, then add the stock and the rice, and stir for twenty minutes.",
    "",
]


@pytest.fixture(scope="module")
def bundled() -> BundledEmbeddings:
    return BundledEmbeddings(threads=2)


@pytest.fixture(scope="module")
def embedder(bundled: BundledEmbeddings) -> Embedder:
    return Embedder(bundled.manifest.model, bundled.manifest.dimensions, frozenset({"en"}), bundled)


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """The embedder's files, to be damaged."""
    return Path(shutil.copytree(FOLDER, tmp_path / "embedder"))


def test_the_bundled_embedder_says_what_it_is() -> None:
    embedder = build_embedder("bundled")

    assert embedder.model == "bundled/all-minilm-l6-v2-int8"
    assert embedder.dimensions == 384
    assert embedder.languages == frozenset({"en"})


@pytest.mark.parametrize(
    ("query", "similarities"),  # to the first four passages, from the original weights in float arithmetic
    [
        ("How do plants make their food?", [0.510, 0.000, 0.341, 0.332]),
        ("Why did share prices drop?", [0.026, 0.503, 0.088, 0.083]),
        ("a recipe for risotto", [0.106, -0.103, 0.267, 0.314]),
    ],
)
async def test_similarities_are_those_of_the_original_model(
    embedder: Embedder, query: str, similarities: list[float]
) -> None:
    passages = await embedder.embed_passages(PASSAGES[:4])
    found = passages @ await embedder.embed_query(query)

    assert found == pytest.approx(similarities, abs=0.05)


async def test_vectors_have_unit_length_and_stay_in_the_order_of_their_texts(embedder: Embedder) -> None:
    vectors = await embedder.embed_passages(PASSAGES)

    assert vectors.shape == (5, 384)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(5), abs=1e-5)
    for text, vector in zip(PASSAGES, vectors, strict=True):
        assert np.array_equal(vector, await embedder.embed_query(text)), "a text's vector depends on that text alone"


async def test_no_passages_give_no_rows(embedder: Embedder) -> None:
    assert (await embedder.embed_passages([])).shape == (0, 384)


async def test_only_the_first_256_tokens_count(embedder: Embedder) -> None:
    whole = "word " * 254  # and the two marks of beginning and end
    cut, same, shorter = await embedder.embed_passages([whole + "volcano " * 50_000, whole, "word " * 253])

    assert np.array_equal(cut, same)
    assert not np.array_equal(shorter, same)


async def test_text_that_is_no_text_is_embedded_all_the_same(embedder: Embedder) -> None:
    vectors = await embedder.embed_passages(["\x00\ud800", "学习者", "🎓" * 9_000])

    assert np.isfinite(vectors).all()


async def test_langchain_gets_the_same_vectors_through_its_four_methods(bundled: BundledEmbeddings) -> None:
    expected = (await bundled.encode_passages(PASSAGES)).tolist()

    assert bundled.embed_documents(PASSAGES) == await bundled.aembed_documents(PASSAGES) == expected
    assert bundled.embed_query(PASSAGES[0]) == await bundled.aembed_query(PASSAGES[0]) == expected[0]


async def test_many_threads_load_one_model_and_agree() -> None:
    fresh = BundledEmbeddings(threads=4)
    first, *others = await asyncio.gather(*(fresh.encode_passages(PASSAGES) for _ in range(4)))

    assert all(np.array_equal(first, other) for other in others)


async def test_cancelled_indexing_stops_before_the_next_passage(monkeypatch: pytest.MonkeyPatch) -> None:
    embedding, may_end = threading.Event(), threading.Event()
    seen: list[str] = []
    source = BundledEmbeddings(threads=1)

    def encode(text: str) -> FloatArray:
        seen.append(text)
        embedding.set()
        assert may_end.wait(10)
        return np.ones(384, np.float32)

    monkeypatch.setattr(source, "encode", encode)
    task = asyncio.create_task(source.encode_passages(["first", "second", "third"]))
    assert await asyncio.to_thread(embedding.wait, 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    may_end.set()
    await source.encode_passages(["later"])

    assert seen == ["first", "later"]


async def test_a_query_does_not_wait_behind_passages(monkeypatch: pytest.MonkeyPatch) -> None:
    may_end = threading.Event()
    source = BundledEmbeddings(threads=1)

    def encode(text: str) -> FloatArray:
        assert text == "query" or may_end.wait(10)
        return np.ones(384, np.float32)

    monkeypatch.setattr(source, "encode", encode)
    passages = asyncio.create_task(source.encode_passages(["a", "b"]))
    await asyncio.wait_for(source.encode_query("query"), 10)
    assert not passages.done()
    may_end.set()
    await passages


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json"])
@pytest.mark.parametrize("harm", ["changed", "cut", "missing"])
async def test_damaged_files_give_one_clear_error(copied: Path, name: str, harm: str) -> None:
    path = copied / name
    data = bytearray(path.read_bytes())
    if harm == "missing":
        path.unlink()
    elif harm == "cut":
        path.write_bytes(data[:-100])
    else:
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    source = BundledEmbeddings(copied)

    for _ in range(2):
        with pytest.raises(ConfigurationError, match=rf"{name} is missing or damaged: install the package again"):
            await source.encode_query("anything")


@pytest.mark.parametrize("manifest", [None, b"", b'{"model": "x"}', b'{"model":"x","dimensions":384,"files":{}}'])
def test_a_missing_or_damaged_manifest_is_said_at_once(copied: Path, manifest: bytes | None) -> None:
    (copied / "manifest.json").unlink()
    if manifest is not None:
        (copied / "manifest.json").write_bytes(manifest)

    with pytest.raises(ConfigurationError, match="is missing or damaged"):
        BundledEmbeddings(copied)


def test_importing_the_module_loads_neither_runtime_nor_registry() -> None:
    code = (
        "import sys, assistant.llm.embeddings as e; e.build_embedder('bundled');"
        "print([name for name in ('onnxruntime', 'tokenizers', 'langchain') if name in sys.modules])"
    )

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


class Provider(Embeddings):
    """A provider's class: what `init_embeddings("ollama:…")` makes when the provider's package is this module."""

    def __init__(self, model: str) -> None:
        if model == "keyless":
            raise ValueError("Set PROVIDER_API_KEY.\nAnd read the manual.")
        self.calls: list[int] = []
        self.answer: Callable[[list[str]], object] = lambda texts: [[float(len(text)), 1.0, 0.0] for text in texts]

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        self.calls.append(len(texts))
        return self.answer(texts)  # type: ignore[return-value]  # providers do answer otherwise

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


@pytest.fixture(autouse=True)
def provider_package(monkeypatch: pytest.MonkeyPatch) -> None:
    package = ModuleType("langchain_ollama")
    package.OllamaEmbeddings = Provider  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "langchain_ollama", package)


@pytest.fixture
def hosted() -> Embedder:
    return build_embedder("ollama:some-model")


def provider_of(embedder: Embedder) -> Provider:
    assert isinstance(embedder.source, module.HostedVectors)
    provider = embedder.source._embeddings
    assert isinstance(provider, Provider)
    return provider


async def test_a_hosted_embedder_gives_unit_vectors_and_is_good_for_any_language(hosted: Embedder) -> None:
    passages = await hosted.embed_passages(["", "abc", "ab"])

    assert hosted.model == "ollama:some-model"
    assert hosted.languages is None
    assert passages.dtype == np.float32
    assert passages == pytest.approx(np.array([[0, 1, 0], [0.94868, 0.31623, 0], [0.89443, 0.44721, 0]]), abs=1e-4)
    assert np.array_equal(await hosted.embed_query("abc"), passages[1])


async def test_many_passages_are_sent_in_bounded_calls_and_come_back_in_order(hosted: Embedder) -> None:
    texts = ["x" * (number % 17) for number in range(150)]
    passages = await hosted.embed_passages(texts)

    assert provider_of(hosted).calls == [64, 64, 22]
    assert passages[:, 0] / passages[:, 1] == pytest.approx(np.array([len(text) for text in texts]), abs=1e-4)


async def test_no_passages_call_no_provider(hosted: Embedder) -> None:
    assert len(await hosted.embed_passages([])) == 0
    assert provider_of(hosted).calls == []


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ([[1.0, 0.0]], "answered with not 2 vectors"),
        ([[1.0, 0.0]] * 3, "answered with not 2 vectors"),
        ([1.0, 0.0], "answered with not 2 vectors"),
        (None, "answered with not 2 vectors"),
        ([[1.0, 0.0], [1.0]], "no list of vectors of one width"),
        ([["a", "b"], ["c", "d"]], "no list of vectors of one width"),
        ([[1.0] * 1537] * 2, "vectors of 1537 dimensions"),
        ([[], []], "vectors of 0 dimensions"),
        ([[1.0, 0.0], [float("nan"), 0.0]], "without a direction"),
        ([[1.0, 0.0], [float("inf"), 0.0]], "without a direction"),
        ([[1.0, 0.0], [1e300, 0.0]], "without a direction"),
        ([[1.0, 0.0], [0.0, 0.0]], "without a direction"),
    ],
)
async def test_an_answer_that_is_no_vectors_is_refused(hosted: Embedder, answer: object, message: str) -> None:
    provider_of(hosted).answer = lambda texts: answer

    with pytest.raises(EmbedderUnavailableError, match=message) as caught:
        await hosted.embed_passages(["a", "b"])
    assert caught.value.status_code == 503
    assert caught.value.code == "embedder_unavailable"


async def test_calls_that_answer_in_different_widths_are_refused(hosted: Embedder) -> None:
    provider_of(hosted).answer = lambda texts: [[1.0] * len(texts)] * len(texts)

    with pytest.raises(EmbedderUnavailableError, match="different widths"):
        await hosted.embed_passages(["x"] * 65)


async def test_a_failing_provider_is_told_without_its_words(hosted: Embedder) -> None:
    def fail(texts: list[str]) -> object:
        raise ConnectionError(f"could not send {texts}")

    provider_of(hosted).answer = fail

    with pytest.raises(EmbedderUnavailableError) as caught:
        await hosted.embed_query("a secret")
    assert "secret" not in caught.value.detail


async def test_a_provider_that_hangs_is_given_up(hosted: Embedder, monkeypatch: pytest.MonkeyPatch) -> None:
    may_end = threading.Event()
    provider_of(hosted).answer = lambda texts: may_end.wait(10)
    monkeypatch.setattr(module, "QUERY_SECONDS", 0.01)

    with pytest.raises(EmbedderUnavailableError):
        await hosted.embed_query("anything")
    assert not may_end.is_set()
    may_end.set()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("minilm", "'minilm' is neither `bundled` nor `provider:model`"),
        ("", "'' is neither"),
        ("nobody:model", "'nobody:model' cannot be used: Provider 'nobody' is not supported."),
        ("ollama:", "'ollama:' cannot be used: Model name cannot be empty"),
        ("ollama:keyless", "'ollama:keyless' cannot be used: Set PROVIDER_API_KEY."),
        ("cohere:embed-v4.0", "'cohere:embed-v4.0' cannot be used: .*install langchain-cohere"),
    ],
)
def test_a_wrong_name_is_one_line_that_names_the_setting(name: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^GOALSPACE_EMBEDDINGS: {message}") as caught:
        build_embedder(name)
    assert "\n" not in caught.value.detail
