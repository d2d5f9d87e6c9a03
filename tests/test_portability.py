"""Linux, macOS and Windows: calls that only one of them has, text in the machine's own encoding, flushes that fail."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "fashion_keras"
FILES = sorted(PACKAGE.rglob("*.py"))
POSIX_MODULES = {"fcntl", "resource", "pwd", "grp", "termios", "tty", "pty", "posix", "syslog", "crypt"}
POSIX_CALLS = {"fork", "forkpty", "getuid", "geteuid", "getgid", "chown", "mkfifo", "sysconf", "statvfs", "setsid",
               "killpg", "getpgid", "nice", "uname", "sched_getaffinity", "getloadavg", "wait4", "sync"}  # fmt: skip
# A call of os that Windows lacks is allowed below a test for it.
GUARDS = ("os.name", "hasattr(os", "sys.platform")


def calls(tree):
    """(node, whether a test of the platform stands above it) of every node of a tree."""

    def visit(node, guarded):
        for child in ast.iter_child_nodes(node):
            is_guard = isinstance(child, ast.If | ast.IfExp) and any(text in ast.unparse(child.test) for text in GUARDS)
            yield child, guarded or is_guard
            yield from visit(child, guarded or is_guard)

    yield from visit(tree, False)


def problems(text):
    """What in a source text does not run on Windows, macOS and Linux alike, a line each."""
    for node, guarded in calls(ast.parse(text)):
        match node:
            case ast.Import(names=names) if not guarded:
                yield from (f"{node.lineno}: {name.name}" for name in names if name.name in POSIX_MODULES)
            case ast.ImportFrom(module=str(module)) if module in POSIX_MODULES:
                yield f"{node.lineno}: {module}"
            case ast.Attribute(value=ast.Name(id="os"), attr=name) if name in POSIX_CALLS and not guarded:
                yield f"{node.lineno}: os.{name}"
            case ast.Constant(value=str(value)) if f"{value}/".startswith(("/tmp/", "/var/", "/dev/")):
                yield f"{node.lineno}: {value}"
            case ast.Call(func=ast.Attribute(attr="read_text" | "write_text" as name), keywords=keywords):
                if "encoding" not in {keyword.arg for keyword in keywords}:
                    yield f"{node.lineno}: {name} without encoding"
            case ast.With(items=items) if _opens_to_read(items) and "os.fsync" in ast.unparse(node):
                yield f"{node.lineno}: os.fsync of a file that is open for reading alone"


def _opens_to_read(items):
    return any(ast.unparse(item.context_expr).endswith(".open('rb')") for item in items)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("import fcntl", "1: fcntl"),
        ("from resource import getrusage", "1: resource"),
        ("import os\nos.fork()", "2: os.fork"),
        ("import os\nif hasattr(os, 'fork'):\n    os.fork()", None),
        ("import sys\nif sys.platform != 'win32':\n    import resource", None),
        ("path = '/tmp/x'", "1: /tmp/x"),
        ("path.read_text()", "1: read_text without encoding"),
        ("path.write_text(text, encoding='utf-8')", None),
        ("with path.open('rb') as file:\n    os.fsync(file)", "1: os.fsync of a file that is open for reading alone"),
        ("with path.open('r+b') as file:\n    os.fsync(file)", None),
    ],
)
def test_problems_are_found(text, problem):
    assert list(problems(text)) == ([problem] if problem else [])


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_source_runs_on_every_system(path):
    assert not list(problems(path.read_text(encoding="utf-8")))


def test_paths_of_a_catalog_are_written_with_slashes(tmp_path, sample):
    """A split or prediction table of one system is read on another: ids must not hold the system's separator."""
    from fashion_keras import read_catalog

    folder = tmp_path / "tree"
    for number, path in enumerate(read_catalog(sample).paths[:2]):
        (folder / f"class{number}").mkdir(parents=True)
        (folder / f"class{number}" / "image.jpg").write_bytes(Path(path).read_bytes())
    assert sorted(read_catalog(folder).skus) == ["class0/image.jpg", "class1/image.jpg"]
