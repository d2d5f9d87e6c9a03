"""The studies of the papers: what they name exists, and one command runs each."""

import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from fashion_keras.cli import _parser
from fashion_keras.commands.arguments import given_values
from fashion_keras.commands.studies import _PAPERS
from fashion_keras.studies.registry import STUDIES, get_study
from fashion_keras.studies.report import overview
from fashion_keras.studies.runner import run_study
from fashion_keras.support.errors import InputError
from fashion_keras.training.config import TrainConfig

DOCS = Path(__file__).parents[2] / "docs" / "studies"


class Names(dict):
    def __missing__(self, name):
        raise AssertionError(f"{name} is no part and no earlier step")


def test_each_paper_has_a_command():
    assert [study.name for study in STUDIES] == list(_PAPERS)


def test_unknown_studies_are_refused_with_the_nearest():
    with pytest.raises(InputError, match="did you mean 'li2020'"):
        get_study("li202")


def test_the_overview_names_every_system_and_its_command():
    assert (DOCS / "README.md").read_text(encoding="utf-8") == overview(STUDIES)


@pytest.mark.parametrize("quick", [False, True])
@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.name)
def test_every_command_can_be_typed(study, quick):
    places = Names({"data": "x", **{part.name: "x" for part in study.parts}})
    for step in study.steps:
        places["here"] = "x"
        if not step.compute:
            options = _parser().parse_args([word.format_map(places) for word in shlex.split(step.words(quick))])
            if step.command.startswith("train "):
                TrainConfig.from_dict(given_values(options, TrainConfig))
        places[step.name] = "x"
    assert {row.step for row in study.rows} <= set(places)
    assert {step for step, *_ in study.figures} <= set(places)


def test_a_catalogue_without_a_needed_column_is_refused(command, tmp_path):
    (tmp_path / "shop.csv").write_text("id,path,article_type\n1,a.jpg,Shoes\n")
    (tmp_path / "a.jpg").write_bytes(b"")
    done = command("study", "guo2019", "--data", tmp_path, "--out", tmp_path / "out")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "needs the columns gender, base_colour, season, usage, product_display_name" in done.stderr
    assert not (tmp_path / "out").exists()


def test_unknown_names_are_one_line(command):
    done = command("study", "li2021")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "li2020" in done.stderr


def thinned(step):
    """A step with fewer products and epochs still than --quick gives it: whether it runs is what is asked."""
    fewer = "--limit 120 --epochs 1" if step.command.split(" ")[0] in ("train", "autoencode") else ""
    return replace(step, quick=f"{step.quick} {fewer}")


LONGEST = ("schindler2018", "guo2019")


@pytest.mark.parametrize(
    "study",
    [pytest.param(one, marks=pytest.mark.study if one.name in LONGEST else pytest.mark.slow) for one in STUDIES],
    ids=lambda study: study.name,
)
def test_every_step_runs_on_the_drawn_sample(study, tmp_path):
    study = replace(study, steps=tuple(map(thinned, study.steps)))
    done = run_study(study, "sample", tmp_path / "out", quick=True)
    assert list(done) == [step.name for step in study.steps]
    text = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "drawn" in text
    assert "What it shows" in text
    assert all(f"| {row.system} | " in text for row in study.rows)
    assert all((tmp_path / "out" / f"{step}-{file}").is_file() for step, file, _ in study.figures)
