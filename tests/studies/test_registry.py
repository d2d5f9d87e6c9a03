"""The studies of the papers: their parts, steps and figures exist, and one command runs each."""

import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from fashion_keras.cli import _parser
from fashion_keras.commands.arguments import given_values
from fashion_keras.commands.studies import _PAPERS
from fashion_keras.models.backbones import get_backbone
from fashion_keras.studies.registry import STUDIES, get_study
from fashion_keras.studies.report import overview
from fashion_keras.studies.runner import run_study
from fashion_keras.support.errors import InputError
from fashion_keras.training.config import TrainConfig
from fashion_keras.training.recipes import get_recipe
from tests.helpers.cli import assert_one_line, run_cli

PARSER = _parser()
DOCS = Path(__file__).parents[2] / "docs" / "studies"


class Names(dict):
    def __missing__(self, name):
        raise AssertionError(f"{name} is neither a part nor an earlier step")


def test_study_commands_are_those_of_the_registry():
    assert [study.name for study in STUDIES] == list(_PAPERS)


def test_get_study_refuses_an_unknown_name_with_the_nearest():
    with pytest.raises(InputError, match="did you mean 'li2020'"):
        get_study("li202")


def test_overview_equals_the_documentation():
    assert (DOCS / "README.md").read_text(encoding="utf-8") == overview(STUDIES)


@pytest.mark.parametrize("quick", [False, True])
@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.name)
def test_study_commands_are_accepted(study, quick):
    folders = Names({"data": "x", **{part.name: "x" for part in study.parts}})
    for step in study.steps:
        folders["here"] = "x"
        if not step.compute:
            options = PARSER.parse_args([word.format_map(folders) for word in shlex.split(step.command_line(quick))])
            if step.command.startswith("train "):
                TrainConfig.from_dict(given_values(options, TrainConfig))
        folders[step.name] = "x"
    assert {row.step for row in study.rows} <= set(folders)
    assert {step for finding in study.findings for step in finding.steps} <= set(folders)
    assert {step for step, *_ in study.figures} <= set(folders)


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.name)
def test_no_step_can_fall_back_to_random_weights(study):
    """Each network that has ImageNet weights starts from them, or from scratch on purpose, and is skipped without."""
    for step in (step for step in study.steps if step.command.startswith("train ")):
        options = PARSER.parse_args([re.sub(r"{.+?}", "x", word) for word in shlex.split(step.command)])
        recipe = get_recipe(options.recipe).values if options.recipe else {}
        config = TrainConfig.from_dict({**recipe, **given_values(options, TrainConfig)})
        if get_backbone(config.backbone).has_imagenet:
            assert step.imagenet == config.backbone
            assert config.initial_weights != "auto"


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.name)
def test_names_of_parts_and_steps_are_unique(study):
    names = ["data", "here", *(part.name for part in study.parts), *(step.name for step in study.steps)]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.name)
def test_step_that_needs_a_skipped_one_is_skipped_with_it(study):
    imagenet = {step.name: step.imagenet for step in study.steps}
    for step in study.steps:
        named = re.findall(r"{(.+?)}", step.command) if step.command else [step.name.removesuffix("-unscaled")]
        assert {imagenet[name] for name in named if imagenet.get(name)} <= {step.imagenet}


def test_study_refuses_a_catalog_that_lacks_a_column(tmp_path):
    (tmp_path / "shop.csv").write_text("id,path,article_type\n1,a.jpg,Shoes\n")
    (tmp_path / "a.jpg").write_bytes(b"")
    result = run_cli("study", "guo2019", "--data", tmp_path, "--out", tmp_path / "out")
    assert_one_line(result, "needs the columns gender, base_colour, season, usage, product_display_name")
    assert not (tmp_path / "out").exists()


def test_study_refuses_an_unknown_name():
    assert_one_line(run_cli("study", "li2021"), "li2020")


def thinned(step):
    """A step with fewer products and epochs than --quick gives it."""
    fewer = "--limit 120 --epochs 1" if step.command.split(" ")[0] in ("train", "autoencode") else ""
    return replace(step, quick=f"{step.quick} {fewer}")


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.name)
@pytest.mark.study
def test_study_steps_run_on_the_sample(study, tmp_path):
    study = replace(study, steps=tuple(map(thinned, study.steps)))
    reports = run_study(study, {"data": "sample", "out": tmp_path / "out", "quick": True})
    assert list(reports) == [step.name for step in study.steps]
    text = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "drawn" in text
    assert all(f"| {row.system} | " in text for row in study.rows)
    finished = {name for name, report in reports.items() if not report.skipped}
    assert all((tmp_path / "out" / f"{step}-{file}").is_file() for step, file, _ in study.figures if step in finished)
    assert len(study.conclusions(reports)) == sum(finished.issuperset(finding.steps) for finding in study.findings)
    assert all(f"- {sentence}\n" in text for sentence in study.conclusions(reports))
