"""The command line's frame: flags from config fields, unknown names, exit codes and one-line errors."""

import errno
import os
from dataclasses import dataclass

import pytest

from fashion_keras import cli
from fashion_keras.catalog.sample import generate
from fashion_keras.commands.arguments import Parser, add_config_flags, given_values
from fashion_keras.support.config_fields import Config, config_field
from fashion_keras.support.errors import InputError
from tests.helpers.cli import assert_one_line, run_cli

TRAIN_HELP = "(see fashion-keras train --help)"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("trian", "unknown command 'trian'; did you mean 'train'? (see fashion-keras --help)"),
        ("fly", "unknown command 'fly' (see fashion-keras --help)"),
        ("", "required: COMMAND (see fashion-keras --help)"),
        ("data descibe x", "unknown action 'descibe'; did you mean 'describe'? (see fashion-keras data --help)"),
        ("train --backbon vgg19", f"unknown flag '--backbon'; did you mean '--backbone'? {TRAIN_HELP}"),
        ("train --backbon=vgg19", f"unknown flag '--backbon'; did you mean '--backbone'? {TRAIN_HELP}"),
        ("train vgg19", "surplus argument 'vgg19' (see fashion-keras train --help)"),
        ("--zzz train", "unknown flag '--zzz' (see fashion-keras --help)"),
        ("train --epochs few", "argument --epochs: invalid int value: 'few' (see fashion-keras train --help)"),
    ],
)  # fmt: skip
def test_parser_names_the_nearest_name_and_the_right_help(arguments, message):
    result = run_cli(*arguments.split())
    assert_one_line(result, message)
    assert result.stderr.endswith(f"{message}\n")


@pytest.mark.parametrize("flag", ["--back", "--task-", "--epoch"])
def test_parser_refuses_abbreviated_flags(flag):
    assert_one_line(run_cli("train", flag, "1"), f"unknown flag '{flag}'")


@dataclass(frozen=True)
class Settings(Config):
    """One field of each kind."""

    rate: float = config_field(0.5, "learning rate, 50 % by default", metavar="X")
    mode: str = config_field("fast", "mode", ("fast", "slow"))
    quiet: bool = config_field(False, "say nothing")
    cache: bool = config_field(True, "keep what was read")
    names: tuple = config_field((), "names", metavar="NAME")
    limit: int | None = config_field(None, "limit", metavar="N")


def test_config_flags_become_fields():
    parser = Parser(prog="p")
    add_config_flags(parser, Settings)
    flags = ["--rate", "0.1", "--quiet", "--names", "a", "--names", "b", "--limit", "3", "--no-cache"]
    values = given_values(parser.parse_args(flags), Settings)
    assert values == {"rate": 0.1, "quiet": True, "names": ["a", "b"], "limit": 3, "cache": False}
    assert given_values(parser.parse_args([]), Settings) == {}
    assert "learning rate, 50 % by default (default: 0.5)" in parser.format_help()
    assert "fast|slow" in parser.format_help()


def test_config_flags_of_positional_fields():
    parser = Parser(prog="p")
    add_config_flags(parser, Settings, positional=("names",))
    assert given_values(parser.parse_args(["a", "b", "--limit", "1"]), Settings) == {"names": ["a", "b"], "limit": 1}


def raising(error):
    """A parser for `main` whose command raises."""

    def command(_):
        raise error

    def make_parser():
        parser = Parser(prog="fashion-keras")
        commands = parser.add_subparsers(dest="command_name", metavar="COMMAND", parser_class=Parser)
        commands.add_parser("train").add_argument("--resume")
        for action in commands.choices.values():
            action.set_defaults(command=command)
        commands.add_parser("tag").set_defaults(command=command)
        return parser

    return make_parser


@pytest.mark.parametrize(
    ("command", "line"),
    [
        ("train", "interrupted; resume with: fashion-keras train --resume and the folder of the run\n"),
        ("tag", "interrupted\n"),
    ],
)
def test_main_offers_resume_only_where_the_command_can(monkeypatch, command, line):
    monkeypatch.setattr(cli, "_parser", raising(KeyboardInterrupt()))
    result = run_cli(command)
    assert (result.returncode, result.stderr, result.stdout) == (130, line, "")


@pytest.mark.parametrize("command", ["train", "train-encoder", "autoencode", "tag", "index"])
def test_commands_that_resume_are_those_with_the_flag(command):
    given = {"tag": ["--data", "x", "--taxonomy", "y"], "index": ["--out", "x"]}.get(command, [])
    options = cli._parser().parse_args([command, *given])
    assert options.command_name == command
    assert ("resume" in options) == (command in ("train", "train-encoder", "autoencode"))


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "no space left on the disk"),
        (PermissionError(errno.EACCES, "Permission denied", "runs"), "runs: Permission denied"),
        (InputError("a.csv: bad\nname"), "a.csv: bad name"),
    ],
)
def test_main_prints_errors_in_one_line(monkeypatch, error, message):
    monkeypatch.setattr(cli, "_parser", raising(error))
    assert_one_line(run_cli("tag"), message)


def test_main_does_not_hide_bugs(monkeypatch):
    for error in (OSError("no number, no file"), KeyError("x")):
        monkeypatch.setattr(cli, "_parser", raising(error))
        with pytest.raises(type(error)):
            run_cli("tag")


def test_main_with_a_full_disk_prints_nothing_but_the_error(monkeypatch, sample, tmp_path):
    """--json: standard output holds one object or nothing."""

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    result = run_cli("data", "describe", sample, "--out", tmp_path / "out", "--json")
    assert_one_line(result, str(tmp_path / "out"), "no space left on the disk")


def test_sample_that_is_interrupted_leaves_nothing(monkeypatch, tmp_path):
    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setenv("FASHION_KERAS_CACHE", str(tmp_path))
    monkeypatch.setattr(generate, "render_product", interrupt)
    assert run_cli("data", "sample").returncode == 130
    assert not list(tmp_path.iterdir())


def test_version_is_printed():
    result = run_cli("--version")
    assert (result.returncode, result.stdout.split()[0]) == (0, "fashion_keras")
