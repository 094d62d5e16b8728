"""The README is run: its code blocks, and its commands as far as they can be checked without installing anything."""

import re
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from alphafold3_pytorch.cli import app

ROOT = Path(__file__).resolve().parents[1]


class Block(NamedTuple):
    heading: str
    language: str
    line: int  # of its first line of code
    code: str


def blocks(text: str) -> list[Block]:
    """The fenced blocks of a page, each with the heading above it."""
    found, heading, start = [], "", None
    lines = text.split("\n")
    for number, line in enumerate(lines):
        if line.startswith("```"):
            if start is None:
                start = number
            else:
                code = "\n".join(lines[start + 1 : number]) + "\n"
                found.append(Block(heading, lines[start].removeprefix("```"), start + 2, code))
                start = None
        elif start is None and line.startswith("#"):
            heading = line.lstrip("# ")
    return found


BLOCKS = blocks((ROOT / "README.md").read_text(encoding="utf-8"))
PYTHON = [block for block in BLOCKS if block.language == "python"]
COMMANDS = [line for block in BLOCKS if block.language == "sh" for line in block.code.splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize("block", PYTHON, ids=lambda block: block.heading)
def test_code_block_runs(block, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = "\n" * (block.line - 1) + block.code  # a traceback shows the line of the README
    exec(compile(code, str(ROOT / "README.md"), "exec"), {"__name__": "__main__"})


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.py")), ids=lambda path: path.name)
def test_examples_are_blocks_of_the_readme(path):
    assert path.read_text(encoding="utf-8") in [block.code for block in PYTHON]


def test_every_block_has_a_known_language():
    assert {block.language for block in BLOCKS} <= {"python", "sh"}


@pytest.mark.parametrize("command", COMMANDS)
def test_command_parses_and_its_files_exist(command):
    subprocess.run(["bash", "-n", "-c", command], check=True)
    for word in re.findall(r"(?<![\w./-])(?:\./)?(?:[\w.-]+/)*[\w-]+\.(?:sh|py|txt)\b", command):
        assert (ROOT / word).is_file(), f"{word} does not exist"
    for word in re.findall(r"\bexamples/\S+", command):
        assert (ROOT / word).is_file(), f"{word} does not exist"


@pytest.mark.parametrize("command", [command for command in COMMANDS if command.startswith("af3 ")])
def test_af3_command_exists_with_its_options(command):
    group, path = get_command(app), []
    for word in command.split()[1:]:
        group = getattr(group, "commands", {}).get(word)
        if group is None:
            break
        path.append(word)
    assert path or command.startswith("af3 -"), f"{command}: no such command"
    helped = CliRunner().invoke(app, [*path, "--help"], env={"COLUMNS": "200", "NO_COLOR": "1"})
    assert helped.exit_code == 0, helped.output
    for option in re.findall(r"(?<!\S)--[a-z-]+", command):
        assert option in helped.output


def test_ci_runs_the_test_command_of_the_readme():
    (command,) = (block.code.strip() for block in BLOCKS if block.heading == "Run the tests")
    extraction = next(line for line in (ROOT / ".ci" / "run").read_text().splitlines() if line.startswith("tests="))
    shown = subprocess.run(["bash", "-c", f'{extraction}; echo "$tests"'], cwd=ROOT, capture_output=True, text=True)
    assert shown.stdout.strip() == command
    assert "pytest tests/" in (ROOT / command).read_text()
