"""The package's public names: listed, loaded lazily, versioned."""

from importlib.metadata import version

import pytest

import fashion_keras


def test_package_lists_every_public_name_and_loads_it():
    names = dir(fashion_keras)
    assert {"train", "TrainConfig", "audit", "AuditConfig", "__version__"} <= set(names)
    assert sorted(fashion_keras.__all__) == sorted(fashion_keras._MODULES)
    for name in fashion_keras.__all__:
        assert getattr(fashion_keras, name) is not None


def test_package_has_the_installed_version():
    assert fashion_keras.__version__ == version("fashion_keras")


def test_package_refuses_unknown_names():
    with pytest.raises(AttributeError, match="no attribute 'tarin'"):
        fashion_keras.tarin  # noqa: B018 - the access is what is tested
