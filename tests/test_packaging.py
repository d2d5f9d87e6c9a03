"""The package as it is distributed: its size, its files, its address, and versions that install beside Colab's."""

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import nbformat
import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
ADDRESS = PROJECT["urls"]["Source"]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
MEBIBYTE = 2**20
# Versions of Google Colab's image at the end of 2025: there before a notebook installs anything.
COLAB = {
    "tensorflow": ("2.19.0", "2.20.0"), "keras": ("3.10.0", "3.13.0"), "numpy": ("2.0.2",), "pillow": ("11.3.0",),
    "pyarrow": ("18.1.0",), "pandas": ("2.2.2",), "scikit-learn": ("1.6.1",), "scipy": ("1.16.3",),
    "matplotlib": ("3.10.0",), "h5py": ("3.14.0", "3.15.1"), "rich": ("13.9.4",), "tensorflow-datasets": ("4.9.9",),
}  # fmt: skip


def requirements():
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return {row.name: row for row in (Requirement(line) for line in lines if line and not line.startswith("#"))}


@pytest.mark.parametrize("name", COLAB)
def test_versions_of_colab_are_allowed(name):
    for version in COLAB[name]:
        assert requirements()[name].specifier.contains(version)


def test_nothing_has_an_upper_bound():
    assert not [row for row in requirements().values() if re.search(r"<|==|~=", str(row.specifier))]


def test_address_is_the_same_everywhere():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert (citation["repository-code"], citation["version"]) == (ADDRESS, PROJECT["version"])
    owner = ADDRESS.removeprefix("https://")
    for path in NOTEBOOKS:
        intro, install = nbformat.read(path, as_version=4).cells[:2]
        assert f"colab.research.google.com/{owner.replace('.com', '')}/blob/main/notebooks/{path.name}" in intro.source
        assert f"git+{ADDRESS}" in install.source


def test_changelog_has_this_version():
    assert PROJECT["version"] in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_wheel_and_source_archive_are_small_and_complete(tmp_path):
    """Built without a connection: by the setuptools of this environment, which the extra `test` brings."""
    pytest.importorskip("setuptools", minversion="77")
    source = tmp_path / "source"
    subprocess.run(["git", "clone", "--quiet", ROOT, source], check=True)
    for build in ("build_wheel", "build_sdist"):  # a process each, as PEP 517 has it
        program = f"import sys; from setuptools.build_meta import {build}; {build}(sys.argv[1])"
        subprocess.run([sys.executable, "-c", program, str(tmp_path)], cwd=source, check=True, capture_output=True)
    wheel, archive = next(tmp_path.glob("*.whl")), next(tmp_path.glob("*.tar.gz"))
    assert max(wheel.stat().st_size, archive.stat().st_size) < 40 * MEBIBYTE
    names = set(zipfile.ZipFile(wheel).namelist())
    data = [path for path in (ROOT / "fashion_keras").rglob("*") if path.suffix in (".yaml", ".h5", ".json", ".txt")]
    assert {path.relative_to(ROOT).as_posix() for path in data} <= names
    assert not [name for name in names if name.startswith(("tests", "docs", "benchmarks"))]
