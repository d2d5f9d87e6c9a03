"""The layout: imports go down one way, and nothing that prints help waits for TensorFlow."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests.helpers.cli import run_python

PACKAGE = Path(__file__).parents[1] / "fashion_keras"
FOLDERS = (
    "support", "catalog", "images", "models", "features", "batch", "evaluation", "training", "search", "analysis",
    "tagging", "monitoring", "exports", "studies", "web", "commands",
)  # fmt: skip
FILES = sorted(PACKAGE.rglob("*.py"))


def imports(path):
    """The modules of the package that a file imports, at whatever depth of its code."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("fashion_keras"):
            parts = node.module.split(".")[1:]
            yield from ([*parts, alias.name] for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name.split(".")[1:] for alias in node.names if alias.name.startswith("fashion_keras."))


def module_of(path):
    return path.relative_to(PACKAGE).with_suffix("").parts


def test_every_folder_is_known():
    assert {module_of(path)[0] for path in FILES if path.parent != PACKAGE} == set(FOLDERS)


@pytest.mark.parametrize("path", [path for path in FILES if path.parent != PACKAGE], ids=lambda path: path.stem)
def test_imports_go_down(path):
    above = FOLDERS[FOLDERS.index(module_of(path)[0]) + 1 :]
    assert not [module for module in imports(path) if module[0] in above]


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_import_cycles_within_a_folder(folder):
    graph = {}
    for path in FILES:
        parts = module_of(path)
        if parts[0] != folder or len(parts) < 2:
            continue
        own = ".".join(parts)
        graph[own] = {
            name
            for module in imports(path)
            for size in range(2, len(module) + 1)
            if (name := ".".join(module[:size])) != own
            and (PACKAGE / Path(*module[:size])).with_suffix(".py").is_file()
        }
    assert set(TopologicalSorter(graph).static_order()) >= set(graph)


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("--help", 0),
        ("train --help", 0),
        ("data describe --help", 0),
        ("audit --help", 0),
        ("explain --help", 0),
        ("map --help", 0),
        ("serve --help", 0),
        ("drift --help", 0),
        ("drift my-index", 2),
        ("serve --host 0.0.0.0", 2),
        ("train --task nonsense", 2),
        ("train --backbone vgg99", 2),
        ("train --backbone inception_v3 --image-size 60x60", 2),
        ("train --epochs many", 2),
        ("probe --task gender,season --backbones vgg19", 2),
        ("fly", 2),
    ],
)
def test_help_and_errors_about_arguments_do_not_wait_for_tensorflow(command, code):
    program = (
        "import sys\nfrom fashion_keras.cli import main\n"
        "try:\n    code = main(sys.argv[1:])\nexcept SystemExit as error:\n    code = error.code or 0\n"
        "heavy = {'tensorflow', 'keras', 'pandas', 'matplotlib', 'sklearn', 'pyarrow'} & set(sys.modules)\n"
        "print('CODE', code, sorted(heavy))"
    )
    result = run_python(program, *command.split())
    assert result.stdout.splitlines()[-1] == f"CODE {code} []"
    assert len(result.stderr.splitlines()) == (1 if code else 0)


def test_importing_the_package_imports_next_to_nothing():
    program = "import sys, fashion_keras; print(sorted({'tensorflow', 'keras', 'numpy'} & set(sys.modules)))"
    assert run_python(program).stdout == "[]\n"
