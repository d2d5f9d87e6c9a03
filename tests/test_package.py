"""The package's public names: listed, loaded lazily, versioned."""

import ast
import os
from importlib.metadata import version
from pathlib import Path

import pytest

import fashion_keras
from tests.helpers.cli import run_python


def test_package_lists_every_public_name_and_loads_it():
    names = dir(fashion_keras)
    assert {"train", "TrainConfig", "audit", "AuditConfig", "__version__"} <= set(names)
    body = ast.parse(Path(fashion_keras.__file__).read_text()).body
    imports = next(node.body for node in body if isinstance(node, ast.If))  # if TYPE_CHECKING
    typed = {f"{node.module}.{name.name}" for node in imports for name in node.names}
    assert typed == {f"fashion_keras.{module}.{name}" for name, module in fashion_keras._MODULES.items()}
    for name in fashion_keras.__all__:
        assert getattr(fashion_keras, name) is not None


def test_package_loads_tensorflow_without_its_messages():
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    result = run_python("import fashion_keras; fashion_keras.train", env=environment)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_package_names_the_modules_that_load_tensorflow():
    """A process forked for each module, so that none sees what another one imported."""
    program = (
        "import os, sys, fashion_keras\n"
        "from importlib import import_module\n"
        "for module in sorted(set(fashion_keras._MODULES.values())):\n"
        "    child = os.fork()\n"
        "    if not child:\n"
        "        import_module(f'fashion_keras.{module}')\n"
        "        os.write(1, f'{module} '.encode() if 'tensorflow' in sys.modules else b'')\n"
        "        os._exit(0)\n"
        "    os.waitpid(child, 0)\n"
    )
    result = run_python(program)
    assert set(result.stdout.split()) == fashion_keras._TENSORFLOW_MODULES


def test_package_has_the_installed_version():
    assert fashion_keras.__version__ == version("fashion_keras")


def test_package_refuses_unknown_names():
    with pytest.raises(AttributeError, match="no attribute 'tarin'"):
        fashion_keras.tarin  # noqa: B018 - the access is what is tested
