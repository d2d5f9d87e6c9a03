"""What many tests need: the drawn sample, a tiny run, a way to call the command line."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

from tests.helpers.browser import chromium

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# No test may depend on a network that is or is not there: nothing answers at this address.
os.environ["HTTPS_PROXY"] = os.environ["https_proxy"] = "http://127.0.0.1:9"

REAL = Path(__file__).parents[2] / "shared" / "data" / "fashion-products"


@pytest.fixture(scope="session")
def shared(tmp_path_factory):
    """A folder of this session, the same for all its workers."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder


@pytest.fixture(scope="session", autouse=True)
def cache(shared):
    """A cache folder of this session's own, for its workers and the processes that they start."""
    folder = shared / "cache"
    os.environ["FASHION_KERAS_CACHE"] = str(folder)
    os.environ["KAGGLEHUB_CACHE"] = str(folder / "kagglehub")
    return folder


@pytest.fixture(scope="session")
def sample():
    """The folder of the drawn sample catalog."""
    from fashion_keras.catalog.datasets import resolve_dataset

    return resolve_dataset("sample")[0]


@pytest.fixture(scope="session")
def real():
    """The folder of the real images, where they stand beside the project."""
    if not REAL.is_dir():
        pytest.skip("the real images are not beside the project")
    return REAL


@pytest.fixture(scope="session")
def tiny_config(sample):
    """A run that takes seconds: small images, few products, two epochs."""
    from fashion_keras import TrainConfig

    return TrainConfig(
        backbone="custom_cnn", strategy="scratch", data=str(sample), image_size="32x32", limit=400, epochs=2,
        batch_size=32, min_images=100, precision="float32",
    )  # fmt: skip


@pytest.fixture(scope="session")
def small_config(tiny_config, tmp_path_factory):
    """As `tiny_config`, but of two convolutions, whose run takes half the time."""
    from dataclasses import replace

    from tests.helpers.specs import two_convolutions

    path = tmp_path_factory.mktemp("backbone") / "two_convolutions.keras"
    two_convolutions().save(path)
    return replace(tiny_config, backbone=str(path), image_size=None)


@pytest.fixture(scope="session")
def run(tiny_config, shared):
    """A finished tiny run, which one of the workers trains."""
    from dataclasses import replace

    from fashion_keras import resume, train

    folder = shared / "tiny"
    with FileLock(f"{folder}.lock"):
        return resume(folder) if folder.is_dir() else train(replace(tiny_config, out=str(folder)))


@pytest.fixture(scope="session")
def command():
    """Run `fashion-keras ...` in a process of its own and return what it did."""

    def call(*arguments, **options):
        program = [sys.executable, "-m", "fashion_keras", *map(str, arguments)]
        return subprocess.run(program, capture_output=True, text=True, **{"timeout": 300, **options})

    return call


@pytest.fixture(scope="session")
def browser():
    """A browser; Playwright allows one at a time in a process."""
    with chromium() as started:
        yield started
