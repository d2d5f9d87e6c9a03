"""The shell commands of README and of the guides run, one after the other, on the drawn sample.

Trainings are cut short. Commands that take minutes, or need a download or a server, are left out: SKIPPED has why.
That all commands parse is tested in test_readme.py.
"""

import re
import shlex
import shutil
from pathlib import Path

import pytest

from fashion_keras.cli import main

ROOT = Path(__file__).parents[1]
SKIPPED = {
    r"data download|resnet50|vgg19|hub:|my-preset": "needs a download",
    r"postgresql:": "needs a server",
    r"AB-123": "a product and prices of another catalog",
    r"iMat|validation\.json|--task attributes|thumbnails\.parquet|my-embeddings": "needs a file of another catalog",
    r"my-encoder|train-encoder|autoencode|whiten|study|--recipe|my-folds|my-detector|scratch|my-plain": "takes minutes",
    r"features rm$": "asks before it deletes",
    r"compare RUN": "needs several runs",
}
DOCUMENTS = (
    "README.md", "docs/tutorial.md", "docs/choosing.md", "docs/evaluation-and-reports.md", "docs/limits.md",
    "docs/performance.md", "docs/reading-the-report.md", "docs/robustness-and-audit.md", "docs/search.md",
)  # fmt: skip
# Words in capitals that the guides use for a catalog. RUN and FOLDER are there under these names.
CATALOGS = {"DIR", "OTHER", "LARGE"}
CUT_SHORT = {
    "train": ["--limit", "300", "--epochs", "1", "--views", "1"], "robustness": ["--limit", "20"],
    "map": ["--limit", "100"],
}  # fmt: skip


def shell_lines(text):
    """The lines of a document's shell blocks that call this package, as lists of words."""
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    for line in (line.strip() for block in blocks for line in block.splitlines()):
        words = shlex.split(line.removeprefix("python "))
        if words and words[0] in ("train.py", "fashion-keras") and not any(re.search(skip, line) for skip in SKIPPED):
            yield ["train", *words[1:]] if words[0] == "train.py" else words[1:]


@pytest.fixture(scope="module")
def workplace(sample, tmp_path_factory):
    """A folder with what the guides' commands name: a run RUN, photos, a FOLDER of them, an index."""
    folder = tmp_path_factory.mktemp("workplace")
    images = sorted((sample / "images").glob("*.jpg"))[:4]
    for path, name in zip(images, ("my-photo.jpg", "other-photo.jpg", "FOLDER/a.jpg", "FOLDER/b.jpg"), strict=True):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(path, folder / name)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["train", "--data", "sample", "--out", "RUN", *CUT_SHORT["train"]]) == 0
        shutil.copytree("RUN", "runs/first")
        assert main(["index", "--data", "sample", "--out", "my-index"]) == 0
    return folder


def adapted(words):
    """The arguments of a command with the sample in place of catalogs, cut short."""
    folder = "runs" if words[0] == "runs" else "sample"
    words = [folder if word in CATALOGS else word for word in words]
    if words[0] == "index" and "--update" not in words:
        words = [*words, "--overwrite"]
    return [*words, *CUT_SHORT.get(words[0], [])]


def test_shell_lines_leaves_out_what_is_skipped():
    text = "```sh\npip install x\nfashion-keras search p\npython train.py --task t\nfashion-keras data download\n```\n"
    assert list(shell_lines(text)) == [["search", "p"], ["train", "--task", "t"]]


@pytest.mark.parametrize("document", DOCUMENTS)
@pytest.mark.slow
def test_commands_run(document, workplace, monkeypatch, capsys):
    monkeypatch.chdir(workplace)
    lines = list(shell_lines((ROOT / document).read_text(encoding="utf-8")))
    assert lines
    for words in lines:
        try:
            code = main(adapted(words))
        except SystemExit as error:
            code = error.code
        output = capsys.readouterr()
        assert code == 0, f"fashion-keras {' '.join(adapted(words))}: {output.err[-300:]}"
