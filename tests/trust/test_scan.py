"""No code is loaded from data: a scan of the package's syntax trees, which comments and texts cannot mislead."""

import ast
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "fashion_keras"
FILES = sorted(PACKAGE.rglob("*.py"))

MODULES = {
    "pickle", "cPickle", "_pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "torch", "code", "runpy",
}  # fmt: skip
NAMES = {"eval", "exec", "compile", "__import__"}
ATTRIBUTES = {
    "load_pickle", "read_pickle", "to_pickle", "unsafe_load", "unsafe_load_all", "full_load", "full_load_all",
    "extract", "extractall", "mktemp", "popen", "enable_unsafe_deserialization", "Lambda", "TFSMLayer",
    "TorchModuleWrapper",
}  # fmt: skip
# (file, what): why it is no danger.
EXCEPTIONS = {
    ("models/torch_weights.py", "import pickletools"): "reads the instructions of a pickle; runs none",
    ("exports/clients/client.py", "saved_model.load"): "the user's own export, checked against its golden files",
}


def dotted(node):
    """a.b.c of a syntax tree; "" for another expression."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def keyword(call, name):
    """A literal keyword argument of a call; None where it is not given, ... where it is no literal."""
    value = next((each.value for each in call.keywords if each.arg == name), None)
    return None if value is None else value.value if isinstance(value, ast.Constant) else ...


def call_fault(call):
    """What is wrong with a call, or ""."""
    name = dotted(call.func)
    first, _, last = name.partition(".")[0], *name.rpartition(".")[1:]
    literal = call.args[0].value if call.args and isinstance(call.args[0], ast.Constant) else None
    checks = {
        name: name in NAMES,
        f"{last}()": name != last and last in ATTRIBUTES,
        "np.load without allow_pickle=False": name in ("np.load", "numpy.load")
        and keyword(call, "allow_pickle") is not False,
        "yaml.load": name in ("yaml.load", "yaml.load_all"),
        "safe_mode": keyword(call, "safe_mode") not in (None, True),
        "shell": first in ("subprocess", "os") and keyword(call, "shell") not in (None, False),
        "os.system": name in ("os.system", "os.popen"),
        "import of a pickling module": name == "import_module" and str(literal).partition(".")[0] in MODULES,
        "saved_model.load": name.endswith("saved_model.load"),
    }
    return next((text for text, wrong in checks.items() if wrong), "")


def faults(tree):
    """(line, what) of all that is not allowed in a syntax tree."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (fault := call_fault(node)):
            yield node.lineno, fault
        elif isinstance(node, ast.Import):
            yield from ((node.lineno, f"import {each.name}") for each in node.names if banned(each.name))
        elif isinstance(node, ast.ImportFrom):
            names = [each.name for each in node.names]
            if banned(node.module or "") or set(names) & (ATTRIBUTES | NAMES):
                yield node.lineno, f"import {node.module}"
        elif isinstance(node, ast.Attribute) and node.attr in ("Lambda", "enable_unsafe_deserialization"):
            yield node.lineno, node.attr
        elif isinstance(node, ast.Name) and node.id in ("eval", "exec", "__import__"):
            yield node.lineno, node.id


def banned(module):
    return module.partition(".")[0] in MODULES or module == "pickletools"


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        ("import pickle", "import pickle"), ("from dill import loads", "import dill"), ("eval(text)", "eval"),
        ("run = eval", "eval"), ("import marshal as json", "import marshal"), ("np.load(path)", "np.load without"),
        ("np.load(path, allow_pickle=True)", "np.load without"),
        ("np.load(path, allow_pickle=flag)", "np.load without"),
        ("yaml.load(text, Loader=yaml.SafeLoader)", "yaml.load"), ("torch.load(path)", ""),
        ("import torch", "import torch"), ("load_model(path, safe_mode=False)", "safe_mode"),
        ("keras.config.enable_unsafe_deserialization()", "enable_unsafe"), ("keras.layers.Lambda(f)", "Lambda"),
        ("from keras.layers import Lambda", "import keras.layers"), ("subprocess.run(x, shell=True)", "shell"),
        ("archive.extractall(folder)", "extractall"), ("tempfile.mktemp()", "mktemp"), ("os.system(x)", "os.system"),
        ("import_module('pickle')", "import of a pickling"), ("pd.read_pickle(path)", "read_pickle"),
        ("np.load(path, allow_pickle=False)  # pickle.load", ""), ("re.compile(pattern)", ""), ("model.compile()", ""),
        ("text = 'eval(x)'", ""),
    ],
)  # fmt: skip
def test_the_scan_sees_what_it_is_for(code, fault):
    seen = [what for _, what in faults(ast.parse(code))]
    assert any(what.startswith(fault) for what in seen) if fault else not seen


def test_nothing_in_the_package_loads_code_from_data():
    seen, used = [], set()
    for path in FILES:
        name = path.relative_to(PACKAGE).as_posix()
        for line, what in faults(ast.parse(path.read_text())):
            used.add((name, what))
            if (name, what) not in EXCEPTIONS:
                seen.append(f"{name}:{line} {what}")
    assert not seen
    assert used == set(EXCEPTIONS)  # an exception that is not needed any more is removed


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("bandit") is None, reason="bandit is in the extra test")
def test_bandit_finds_nothing_that_is_not_explained():
    done = subprocess.run(
        ["bandit", "--quiet", "--recursive", "--configfile", "pyproject.toml", "fashion_keras", "train.py"],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]
