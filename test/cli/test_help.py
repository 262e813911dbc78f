"""Help in a terminal of 80 columns, shell completion, and replies that need no PyTorch."""

import os
import re
import subprocess
import sys

import pytest
import typer.main
from typer.testing import CliRunner

from conftest import PROJECT
from rs_denoise.cli import autoencoder, main

SUMMARIES = {name: text for rows in main.Commands.panels.values() for name, text in rows.items()}
COMMANDS = list(SUMMARIES)
# What answers about the program itself do without, beside the slow ones.
COMMANDS_NEED = ("numpy", "cv2", "rosbags")
# Each takes a second to import, or more.
SLOW_MODULES = ("torch", "lightning", "matplotlib", "plotly", "scipy", "mitsuba", "rclpy")


def read_help(command):
    app, path = (autoencoder.app, []) if command == "autoencoder" else (main.app, [command])
    return CliRunner().invoke(app, [*path, "--help"]).output


@pytest.mark.parametrize("command", [*COMMANDS, "autoencoder"])
def test_every_option_is_explained_within_80_columns(command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    text = read_help(command)
    lines = text.splitlines()
    assert text.startswith("Usage:") and max(map(len, lines)) <= 80
    assert "…" not in text
    app = autoencoder.app if command == "autoencoder" else main.app
    parsed = typer.main.get_command(app)
    parsed = parsed if command == "autoencoder" else parsed.commands[command]
    for parameter in parsed.params:
        if parameter.param_type_name == "option" and not parameter.hidden:
            for name in (*parameter.opts, *parameter.secondary_opts):
                assert any(re.search(rf"(^|\s){name}\b", line) for line in lines), name


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_listed_with_the_first_paragraph_of_its_help(command):
    help_of_command = typer.main.get_command(main.app).commands[command].help
    assert " ".join(help_of_command.split("\n\n")[0].split()) == SUMMARIES[command]


@pytest.mark.parametrize("command", [*COMMANDS, "autoencoder"])
def test_values_have_names_instead_of_types_of_python(command):
    """`--size WIDTHxHEIGHT`, not `--size <str>` or `--help <bool>`."""
    text = read_help(command).replace("OUT/<frame>/", "")
    assert not re.search(r"<\w|list\[|\bbool\b", text.replace("_mm < 9", ""))


def test_paragraphs_of_help_are_not_broken_where_the_source_is(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    wanted = "In addition to the chosen gate, a cautious and\n  a complete one are measured"
    assert wanted in read_help("evaluate")
    monkeypatch.setenv("COLUMNS", "60")
    assert "resume a stopped run" in " ".join(
        CliRunner().invoke(main.app, ["--help"]).output.split()
    )


def run_program(arguments, **environment):
    """Runs the program; gives its process, and which slow modules it imported."""
    code = (
        "import atexit, sys\n"
        f"slow = {SLOW_MODULES + COMMANDS_NEED}\n"
        "atexit.register(lambda: print('imported', *[m for m in slow if m in sys.modules]))\n"
        "from rs_denoise.cli.main import main\n"
        "main()"
    )
    out = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, cwd=PROJECT,
        env={**os.environ, **environment}, check=False,
    )  # fmt: skip
    return out, out.stdout.splitlines()[-1].split()[1:]


# Between them all modules of commands, and every command that reads a recording.
@pytest.mark.parametrize("arguments, code, said", [
    (["--help"], 0, "Denoise recordings and cameras"),
    (["--version"], 0, "rs_denoise "),
    (["evalute"], 2, "Did you mean 'evaluate'?"),
    (["evaluate", "missing"], 2, "missing: no such file or folder"),
    (["denoise", "demo/room", "out", "--model", "unet-tyni"], 2,
     "unet, unet-tiny, unet-tiny-stereo"),
    (["evaluate", "demo/room", "--beside", "unet-tyni"], 2, "unet-tyni: neither a model file"),
    (["bench", "--model", "unet", "--model", "unet-tyni"], 2, "unet-tyni: neither a model file"),
])  # fmt: skip
def test_help_and_wrong_names_are_answered_without_importing_pytorch(arguments, code, said):
    out, imported = run_program(arguments)
    assert out.returncode == code and said in out.stdout + out.stderr, out.stdout + out.stderr
    allowed = COMMANDS_NEED if arguments[0] in COMMANDS else ()
    assert "Traceback" not in out.stderr and not set(imported) - set(allowed)


@pytest.mark.parametrize("arguments", [
    ["demo", "missing"], ["live", "missing"], ["plane-fit", "missing"],
    ["cross-section", "missing", "--row", "1", "--out", "out.png"],
    ["animate", "missing", "--out", "out.gif"], ["convert", "missing", "out"],
    ["train", "missing", "--out", "out"],
    ["export", "missing", "out.pt", "--name", "n", "--training-data", "d"],
])  # fmt: skip
def test_a_missing_file_is_refused_before_anything_slow_is_imported(arguments, monkeypatch):
    """A None in sys.modules makes an import fail; these must not come that far."""
    for module in SLOW_MODULES:
        monkeypatch.setitem(sys.modules, module, None)
    result = CliRunner().invoke(main.app, arguments)
    said = result.output + str(result.exception)
    assert result.exit_code != 0 and "missing: no such" in said, said


def test_the_shell_completes_commands_and_options():
    def complete(words, word):
        environment = {"_RS_DENOISE_COMPLETE": "complete_bash", "COMP_WORDS": words,
                       "COMP_CWORD": word}  # fmt: skip
        return run_program([], **environment)[0].stdout.split()

    assert "evaluate" in complete("rs_denoise ev", "1")
    assert "--min-confidence" in complete("rs_denoise denoise --min", "2")
