"""Config fields: conversion and checks on construction."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from fashion_keras.support.config_fields import (
    Config,
    DataConfig,
    SourceConfig,
    as_config,
    config_field,
    field_type,
    is_optional,
)
from fashion_keras.support.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Settings(DataConfig):
    """One field of each kind."""

    rate: float = config_field(0.5, "learning rate", above=0, at_most=1)
    epochs: int | None = config_field(None, "epochs", at_least=1)
    mode: str = config_field("fast", "mode", ("fast", "slow"))
    names: tuple = config_field((), "names")
    size: str = config_field("1x1", "size", convert=lambda size: "x".join(map(str, size)))
    quiet: bool = config_field(False, "log nothing")


def test_config_converts_values():
    config = Settings(data=Path("a/b"), rate=np.float32(0.25), epochs=np.int64(3), names=[Path("x"), "y"], size=(2, 3))
    values = {"data": "a/b", "rate": 0.25, "epochs": 3, "names": ("x", "y"), "size": "2x3"}
    assert config.to_dict() == {
        **SourceConfig().to_dict(),
        "seed": 0,
        "out": None,
        "mode": "fast",
        "quiet": False,
        **values,
    }
    assert type(config.epochs) is int
    assert Settings.from_dict(config.to_dict() | {"size": (2, 3)}) == config


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"rate": 0.0}, "--rate must be above 0 and at most 1, not 0.0"),
        ({"rate": float("nan")}, "--rate must be above 0 and at most 1, not nan"),
        ({"rate": "0.1"}, "rate must be of type float, not '0.1'"),
        ({"epochs": 0}, "--epochs must be a whole number at least 1, not 0"),
        ({"epochs": 1.5}, "epochs must be null or of type int, not 1.5"),
        ({"epochs": True}, "epochs must be null or of type int, not True"),
        ({"quiet": 1}, "quiet must be of type bool, not 1"),
        ({"mode": "fats"}, "unknown --mode 'fats'; did you mean 'fast'? Known: fast, slow"),
        ({"names": "ab"}, "names must be of type tuple, not 'ab'"),
        ({"seed": 2**32}, "--seed must be a whole number at least 0 and at most 4294967295, not 4294967296"),
        ({"seed": -1}, "--seed must be a whole number at least 0"),
    ],
)  # fmt: skip
def test_config_refuses_wrong_values(values, message):
    with pytest.raises(InputError) as caught:
        Settings(**values)
    assert message in str(caught.value)


def test_from_dict_names_the_nearest_key():
    with pytest.raises(InputError, match="unknown config key 'epoch'; did you mean 'epochs'"):
        Settings.from_dict({"epoch": 3})


def test_as_config_takes_a_config_a_mapping_or_nothing():
    config = Settings(epochs=2)
    assert as_config(Settings, config) is config
    assert as_config(Settings, {"epochs": 2}) == config
    assert as_config(Settings, None) == Settings()
    with pytest.raises(InputError, match="expected a Settings or a mapping of its fields, not str"):
        as_config(Settings, "epochs")


def test_field_type_is_plain():
    assert [field_type(Settings, name) for name in ("rate", "epochs", "names")] == [float, int, tuple]
    assert [is_optional(Settings, name) for name in ("rate", "epochs", "data")] == [False, True, True]
    assert issubclass(Settings, Config)
