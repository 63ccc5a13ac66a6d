"""Settings: where they come from, which of them holds, and what is said about wrong ones."""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from beamish.cli import main
from beamish.cli.configuration import ConfigError, misspelt, resolve
from beamish.cli.options import Asked, ServeOptions
from beamish.cli.settings import BY_NAME, SETTINGS, markdown_table, toml
from tests.beamish.cli.process import CHEAP, beamish

ROOT = Path(__file__).resolve().parents[3]

OTHER = {
    click.types.StringParamType: ["file.example", "env.example"],
    click.types.IntRange: [9001, 9002],
    click.types.IntParamType: [1, 2],
    click.types.FloatRange: [0.25, 0.5],
    click.types.BoolParamType: [True, True],
}
"""Right values besides the default, by the kind of the setting."""


def other(setting):
    """Two right values of a setting, as TOML has them."""
    kind = setting.kind
    if isinstance(kind, click.Path):
        pair = ["/from/file", "/from/env"]
    elif isinstance(kind, click.Choice):
        pair = list(kind.choices)[:2]
    elif type(kind) in OTHER:
        pair = OTHER[type(kind)]
    else:
        right = setting.example[0] if setting.several else setting.example
        pair = [right, right]
    return [[one] for one in pair] if setting.several else pair


def in_words(value):
    """A value as the environment and the command line have it."""
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


@pytest.fixture
def write(tmp_path):
    def write(text):
        file = tmp_path / "beamish.toml"
        file.write_text(text)
        return file

    return write


def problems_of(environment, file):
    with pytest.raises(ConfigError) as wrong:
        resolve({}, environment, file)
    return wrong.value.problems


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_every_setting_can_be_given_by_each_source_and_the_first_of_them_holds(setting, write):
    in_file, in_environment = other(setting)
    environment = {setting.variable: in_words(in_environment)}
    file = write(f"{setting.name} = {toml(in_file)}\n")
    name = setting.name
    default = resolve({}, {}, None)[name]
    assert (default.value, default.source) == (setting.default, "default")
    from_file = resolve({}, {}, file)[name]
    assert from_file.source == f"{file}, line 1"
    from_environment = resolve({}, environment, file)[name]
    assert from_environment.source == f"{setting.variable} in the environment"
    if in_file != in_environment:
        assert from_file.value != from_environment.value
    given = resolve({setting.field: setting.default}, environment, file)[name]
    assert (given.value, given.source) == (setting.default, "command line")


def test_the_options_of_serve_are_the_table_of_settings():
    assert [field.name for field in fields(ServeOptions)] == [one.field for one in SETTINGS]
    helped = beamish("serve", "--help").stdout
    for setting in SETTINGS:
        assert f"--{setting.name}" in helped


def test_the_documentation_has_the_table_of_settings():
    page = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
    assert markdown_table() in page


def test_values_of_several_are_not_joined_over_sources(write):
    file = write('origin = ["https://a.example", "https://b.example"]\n')
    assert resolve({}, {}, file)["origin"].value == ("https://a.example", "https://b.example")
    environment = {"BEAMISH_ORIGIN": "https://c.example https://d.example"}
    found = resolve({}, environment, file)["origin"].value
    assert found == ("https://c.example", "https://d.example")


def test_an_empty_variable_is_none(write):
    assert resolve({}, {"BEAMISH_PORT": ""}, write("port = 9000"))["port"].value == 9000


def test_paths_in_a_file_are_relative_to_it(write):
    file = write('data = "here"\nready-file = "/run/ready.json"\n')
    options = Asked({}, file, {}).options()
    assert (options.data, options.ready_file) == (file.parent / "here", Path("/run/ready.json"))


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("prot = 80", "prot is no setting: did you mean port?"),
        ("max_connections = 7", "max_connections is no setting: did you mean max-connections?"),
        ("nonsense = 1", "nonsense is no setting: `beamish serve --help` lists them."),
        ("[server]\nport = 1", "server is no setting: `beamish serve --help` lists them."),
        (
            'port = "80"',
            'port is "80", which is not a whole number. Write for example port = 8080',
        ),
        ("port = 80.5", "port is 80.5, which is not a whole number."),
        ("port = true", "port is true, which is not a whole number."),
        ("port = [80]", "port is a list, which is not a whole number."),
        ("port = 70000", "port: 70000 is not in the range 0<=x<=65535. Write for example port"),
        ("max-connections = 0", "max-connections: 0 is not in the range x>=1."),
        ("inject-crashes = 2", "inject-crashes: 2.0 is not in the range 0<=x<=1."),
        ("host = 7", 'host is 7, which is not a string. Write for example host = "127.0.0.1"'),
        ('registration = "ajar"', "registration: 'ajar' is not one of 'open', 'closed'."),
        (
            'origin = "https://a.example"',
            'an array of strings. Write for example origin = ["https://chat.example"]',
        ),
        ('origin = ["chat.example"]', "origin: 'chat.example' is no origin: write https://"),
        ('origin = ["https://a.example/chat"]', "is no origin"),
    ],
)
def test_what_is_wrong_in_a_file_is_told_with_its_line_and_what_to_write(line, sentence, write):
    file = write(f"# Settings\n{line}\n")
    (problem,) = problems_of({}, file)
    assert problem.startswith(f"{file}, line 2: ")
    assert sentence in problem


def test_all_that_is_wrong_is_told_at_once(write):
    file = write('prot = 80\nmax-connections = 0\nhost = "127.0.0.1"\n')
    problems = problems_of({"BEAMISH_INBOX": "many"}, file)
    assert len(problems) == 3
    assert problems[2] == (
        "BEAMISH_INBOX in the environment: inbox: 'many' is not a valid integer range."
        " Write for example inbox = 10000"
    )


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"port = ", "is no TOML: "),
        (b"\xff\xfe", "is no UTF-8 text"),
        (b"#" * (2 << 20), "has more than 1 MiB"),
        (None, "cannot be read: No such file or directory"),
    ],
)
def test_a_file_that_is_none_is_one_sentence(content, sentence, tmp_path):
    file = tmp_path / "beamish.toml"
    if content is not None:
        file.write_bytes(content)
    (problem,) = problems_of({}, file)
    assert problem.startswith(str(file))
    assert sentence in problem


def test_no_line_is_told_where_several_could_be_meant(write):
    (problem,) = problems_of({}, write('host = """\nport = 1"""\nport = -1\n'))
    assert ", line" not in problem


def test_variables_that_are_nearly_a_setting_are_told_and_strangers_are_not():
    found = list(misspelt({"BEAMISH_PROT": "1", "BEAMISH_PASSWORD": "x", "BEAMISH_PORT": "1"}))
    assert found == ["BEAMISH_PROT in the environment is no setting: did you mean BEAMISH_PORT?"]


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_what_an_error_says_to_write_is_right(setting, write):
    assert resolve({}, {}, write(setting.right))[setting.name].source != "default"


def checked(*arguments, env=None):
    return CliRunner().invoke(main, ["config", "check", *map(str, arguments)], env=env or {})


def test_check_prints_what_holds_and_where_it_comes_from(write):
    file = write('host = "0.0.0.0"\nmax-connections = 9\n')
    done = checked("--config", file, "--port", 9000, env={"BEAMISH_MAX_CONNECTIONS": "10"})
    assert done.exit_code == 0
    rows = dict(re.findall(r"^(.+?) +# (.+)$", done.output, re.MULTILINE))
    assert rows["port = 9000"] == "command line"
    assert rows["max-connections = 10"] == "BEAMISH_MAX_CONNECTIONS in the environment"
    assert rows['host = "0.0.0.0"'] == f"{file}, line 1"
    assert rows['registration = "closed"'] == "default on 0.0.0.0"
    assert rows["# ready-file is not set"] == "default"


def test_what_check_prints_is_a_file_that_comes_to_the_same(write, tmp_path):
    first = checked("--port", 9000, "--origin", "https://chat.example")
    again = tmp_path / "again.toml"
    again.write_text(first.output)
    assert set(tomllib.loads(first.output)) <= set(BY_NAME)
    effective = resolve({}, {}, again)
    assert effective["port"].value == 9000
    assert effective["origin"].value == ("https://chat.example",)
    second = checked("--config", again)
    assert re.sub(" +#.*", "", second.output) == re.sub(" +#.*", "", first.output)


def test_check_tells_of_misspelt_variables():
    done = checked(env={"BEAMISH_PROT": "1"})
    assert done.exit_code == 0
    assert "did you mean BEAMISH_PORT?" in done.stderr


@pytest.mark.parametrize("command", [("config", "check"), ("serve", *CHEAP)])
def test_a_wrong_file_has_status_2_and_a_sentence_for_each_fault(command, write):
    file = write("port = 99999\nprot = 1\n")
    ended = beamish(*command, "--config", file)
    assert (ended.returncode, ended.stdout) == (2, "")
    first, second = ended.stderr.splitlines()
    assert first.startswith(f"Error: {file}, line 1: port: 99999")
    assert second.startswith(f"Error: {file}, line 2: prot is no setting")


def test_a_node_serves_by_its_file(tmp_path):
    ready = tmp_path / "ready.json"
    file = tmp_path / "beamish.toml"
    file.write_text('data = "data"\nport = 99\nready-file = "no/such/folder/ready.json"\n')
    ended = beamish("serve", "--config", file, "--port", 0, *CHEAP)
    assert ended.returncode == 1
    assert "No such file or directory" in ended.stderr
    assert (tmp_path / "data" / "journal.json").exists()
    assert not ready.exists()
