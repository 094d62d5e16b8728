"""The entry point: what the user can mend is one line and exit code 2."""

import subprocess
import sys

import pytest

from alphafold3_pytorch import __version__, cli


def run_main(monkeypatch, capsys, error: Exception) -> tuple[int, str]:
    def failing_app(prog_name: str):
        raise error

    monkeypatch.setattr(cli, "app", failing_app)
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert isinstance(caught.value.code, int)
    return caught.value.code, capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("chain A:\n  sequence is empty"), "af3: chain A: sequence is empty\n"),
        (FileNotFoundError(2, "No such file or directory", "x.pt"), "af3: x.pt: No such file or directory\n"),
        (FileNotFoundError("x.pt does not exist"), "af3: x.pt does not exist\n"),
        (OSError(28, "No space left on device"), "af3: No space left on device\n"),
        (ValueError(), "af3: ValueError\n"),
    ],
)
def test_user_errors_are_one_line(monkeypatch, capsys, error, line):
    monkeypatch.delenv("AF3_DEBUG", raising=False)
    assert run_main(monkeypatch, capsys, error) == (2, line)


def test_debug_shows_the_traceback(monkeypatch, capsys):
    monkeypatch.setenv("AF3_DEBUG", "1")
    with pytest.raises(ValueError, match="wrong"):
        run_main(monkeypatch, capsys, ValueError("wrong"))


def test_own_mistakes_keep_their_traceback(monkeypatch, capsys):
    with pytest.raises(AssertionError):
        run_main(monkeypatch, capsys, AssertionError("a bug"))


def af3(*arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "alphafold3_pytorch.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_version_help_and_unknown_command(root, monkeypatch):
    monkeypatch.chdir(root)
    assert af3("--version").stdout == f"af3 {__version__}\n"
    assert "--version" in af3("--help").stdout
    unknown = af3("predcit")
    assert unknown.returncode == 2 and "predcit" in unknown.stderr
