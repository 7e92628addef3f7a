"""The image builds, and what is in it serves as an ordinary user who can write nowhere but to the data directory."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.fixtures.container import Box, Stage, build_context, can_unshare, parse_dockerfile

ROOT = Path(__file__).parents[1]
DOCKERFILE = ROOT / "Dockerfile"


def stages() -> tuple[Stage, Stage]:
    build, final = parse_dockerfile(DOCKERFILE)
    return build, final


# --- the Dockerfile as it is written ---------------------------------------------------------------------------------


def test_the_linter_has_nothing_to_say_about_the_dockerfile() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([hadolint, DOCKERFILE], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_image_runs_as_a_numeric_user_and_in_exec_form() -> None:
    _, final = stages()
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", final.last("USER"))
    for keyword in ("ENTRYPOINT", "CMD", "VOLUME"):
        assert isinstance(json.loads(final.last(keyword)), list)


def test_both_stages_stand_on_the_same_pinned_image() -> None:
    assert len({stage.base for stage in stages()}) == 1
    assert re.fullmatch(r"python:3\.11-slim-[a-z]+(@sha256:[0-9a-f]{64})?", stages()[0].base)


def test_the_build_is_sent_no_secret_and_no_data() -> None:
    folders = {"assistant", "build_hooks", "clients", "migrations", "plans", "prompts", "requirements"}
    assert {path.parts[0] for path in build_context(ROOT)} == {*folders, "pyproject.toml", "README.md", "LICENSE"}


# --- the image at work -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    """The last stage, built. Its pip may use this machine's cache: that spares a download and changes no file."""
    if not can_unshare():
        pytest.skip("needs root and the right to mount: that is how an image is made without Docker")
    work = tmp_path_factory.mktemp("image")
    for part in (work, *work.parents[:2]):  # an image's root may be walked by everybody
        part.chmod(0o755)
    context = work / "context"
    for path in build_context(ROOT):
        (context / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / path, context / path)
    build_stage, final_stage = stages()
    build = Box(work / "build", build_stage)
    build.build(context, {})
    final = Box(work / "final", final_stage)
    final.build(context, {build_stage.name: build})
    yield final
    shutil.rmtree(work)  # some 1.5 GB, which pytest would keep for a look at it


def run_image(image: Box, *command: str) -> str:
    data = json.loads(image.stage.last("VOLUME"))[0]
    return image.run(*command, user=image.stage.last("USER"), data=data)


@pytest.mark.slow
def test_the_installed_command_explains_itself(image: Box) -> None:
    assert "serve" in run_image(image, *json.loads(image.stage.last("ENTRYPOINT")), "--help")


@pytest.mark.slow
def test_the_image_has_what_the_package_needs_besides_code(image: Box) -> None:
    show = "import assistant; print(assistant.__path__[0])"
    package = image.root / run_image(image, "python", "-c", show).strip()[1:]
    assert (package / "_data/embedder/model.onnx").stat().st_size > 20_000_000
    assert list((package / "_data/migrations/versions").glob("*.py"))
    assert (package / "_data/prompts/mentor/rules.md").is_file()
    assert (package / "_data/plans/plans.yaml").is_file()
    assert (package / "_data/clients/typescript/package-lock.json").is_file()
    assert not list(image.root.glob("opt/goalspace/bin/pip*"))


@pytest.mark.slow
def test_the_service_becomes_healthy_and_ends_when_asked(image: Box) -> None:
    serve = [*json.loads(image.stage.last("ENTRYPOINT")), *json.loads(image.stage.last("CMD"))]
    check = json.loads(image.stage.last("HEALTHCHECK").partition("CMD ")[2])
    script = f"""
        {shlex.join(serve)} & service=$!
        tries=0
        until {shlex.join(check)} 2>/dev/null; do
            tries=$((tries + 1)); [ $tries -lt 120 ] && kill -0 $service || exit 1; sleep 0.5
        done
        echo healthy
        kill -TERM $service; wait $service; echo ended with $?
    """
    said = run_image(image, "sh", "-c", script).splitlines()
    assert said[-3:] == ["healthy", "GoalSpace has stopped.", "ended with 0"]


@pytest.mark.slow
def test_the_image_is_not_healthy_while_nothing_serves(image: Box) -> None:
    check = json.loads(image.stage.last("HEALTHCHECK").partition("CMD ")[2])
    assert run_image(image, "sh", "-c", f"{shlex.join(check)} 2>/dev/null || echo not healthy") == "not healthy\n"


# --- compose ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
    return read


def test_every_container_is_confined(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["user"] not in ("root", "0", "0:0")


def test_compose_and_the_image_agree_about_the_user_and_the_data_directory(compose: dict[str, Any]) -> None:
    _, final = stages()
    for name in ("migrate", "serve", "worker"):
        service = compose["services"][name]
        assert service["user"] == final.last("USER")
        assert service["volumes"] == [f"data:{json.loads(final.last('VOLUME'))[0]}"]


def test_nothing_serves_before_the_database_is_migrated(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert services["database"]["healthcheck"]["test"][0] == "CMD"
    assert services["migrate"]["depends_on"] == {"database": {"condition": "service_healthy"}}
    for name in ("serve", "worker"):
        assert services[name]["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}}


def test_compose_holds_no_secret_and_reaches_only_this_machine(compose: dict[str, Any]) -> None:
    text = (ROOT / "compose.yaml").read_text()
    assert re.findall(r"PASSWORD: (.*)", text) == ["${POSTGRES_PASSWORD:?set POSTGRES_PASSWORD}"]
    assert (
        "postgres:${POSTGRES_PASSWORD:?set POSTGRES_PASSWORD}@"
        in compose["services"]["serve"]["environment"]["DATABASE_URL"]
    )
    published = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert all(port.startswith("127.0.0.1:") for port in published)
    assert set(compose["volumes"]) == {
        volume.partition(":")[0] for service in compose["services"].values() for volume in service["volumes"]
    }
