"""Help at the width of a plain terminal."""

import pytest
import typer.main
from typer.testing import CliRunner

from rs_denoise.cli import autoencoder, main

COMMANDS = [name for commands in main.COMMANDS.values() for name in commands]


@pytest.mark.parametrize("command", [*COMMANDS, "autoencoder"])
def test_no_option_is_cut_off_at_80_columns(command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERMINAL_WIDTH", "80")
    app, path = (autoencoder.app, []) if command == "autoencoder" else (main.app, [command])
    text = CliRunner().invoke(app, [*path, "--help"]).output
    lines = text.splitlines()
    assert "Usage:" in text and max(map(len, lines)) <= 80
    assert "…" not in text
    parsed = typer.main.get_command(app)
    parsed = parsed if command == "autoencoder" else parsed.commands[command]
    for parameter in parsed.params:
        if parameter.param_type_name == "option" and not parameter.hidden:
            for name in (*parameter.opts, *parameter.secondary_opts):
                assert any(name in line for line in lines), name
