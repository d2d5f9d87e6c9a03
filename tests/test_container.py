"""Dockerfile and compose.yaml: their commands parse, and what they copy and install is there. No Docker here."""

import re
import shlex
import tomllib
from pathlib import Path

import pytest
import yaml

from fashion_keras.cli import _parser

ROOT = Path(__file__).parents[1]
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
DOCKERFILE = (ROOT / "Dockerfile").read_text()


@pytest.mark.parametrize("service", ["index", "server"])
def test_commands_of_the_services_parse(service):
    text = re.sub(r"\$\{\w+:-(\w+)\}", r"\1", COMPOSE["services"][service]["command"])
    options = _parser().parse_args(shlex.split(text))
    assert "postgresql://fashion:fashion@database:5432/fashion" in vars(options).values()


def test_services_wait_for_the_database_and_are_reached_from_this_machine_only():
    services = COMPOSE["services"]
    assert services["server"]["depends_on"] == {"database": {"condition": "service_healthy"}}
    assert services["server"]["ports"] == ["127.0.0.1:8000:8000"]
    assert "ports" not in services["database"]
    assert services["index"]["profiles"] == ["tools"]
    assert services["server"]["profiles"] == []


def test_dockerfile_copies_files_that_are_there_and_not_ignored():
    ignored = {line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines() if line[0] == "!"}
    for line in re.findall(r"^COPY (.*) \S+$", DOCKERFILE, re.MULTILINE):
        for name in line.split():
            assert (ROOT / name).exists()
            assert name in ignored
    assert "\nUSER fashion\n" in DOCKERFILE


def test_dockerfile_installs_extras_that_exist():
    extras = re.search(r'"\.\[(.*?)\]"', DOCKERFILE)[1].split(",")
    known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert {"web", "postgres"} <= set(extras)
    assert set(extras) - {"web"} <= known.keys()
