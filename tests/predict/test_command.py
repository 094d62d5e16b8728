"""`af3 predict` and `af3 plan` as a user meets them: words, mistakes, exit codes, what is shown."""

import json
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from alphafold3_pytorch import cli
from alphafold3_pytorch.predict import loading
from alphafold3_pytorch.predict import plan as planning
from alphafold3_pytorch.predict.command import job_files, seeds_of
from alphafold3_pytorch.predict.display import duration
from tests.predict.tiny import TINY

FASTA = ">chain\nMKTAYI\n"
BOLTZ = """\
version: 1
sequences:
  - protein: {id: A, sequence: MKTAYI, msa: empty}
  - ligand: {id: B, smiles: CC(=O)O}
"""
MISFIT = {"id": "A", "sequence": "MKTAYI", "unpairedMsa": ">q\nWWWWWW\n", "pairedMsa": "", "templates": []}
UNFIT = {"dialect": "alphafold3", "version": 1, "name": "bad", "modelSeeds": [1], "sequences": [{"protein": MISFIT}]}
WARNING = "The weights are random: this structure and its scores mean nothing."


class Said(NamedTuple):
    code: int
    out: str
    err: str


Af3 = Callable[..., Said]


@pytest.fixture
def af3(monkeypatch, capsys) -> Af3:
    """The command in this process."""

    def call(*words: object) -> Said:
        monkeypatch.setattr(sys, "argv", ["af3", *map(str, words)])
        monkeypatch.delenv("AF3_DEBUG", raising=False)
        with pytest.raises(SystemExit) as caught:
            cli.main()
        assert isinstance(caught.value.code, int)
        return Said(caught.value.code, *capsys.readouterr())

    return call


@pytest.fixture
def job(tmp_path) -> Path:
    path = tmp_path / "acid.yaml"
    path.write_text(BOLTZ)
    return path


# ---- words


@pytest.mark.parametrize(
    ("text", "seeds"),
    [
        ("1", (1,)),
        ("1,2,3", (1, 2, 3)),
        ("3-6", (3, 4, 5, 6)),
        (" 1 , 5 - 7 ", (1, 5, 6, 7)),
        ("4,4,2-4", (4, 2, 3)),
        ("0,4294967295", (0, 4294967295)),
    ],
)
def test_seeds(text, seeds):
    assert seeds_of(text) == seeds


@pytest.mark.parametrize(
    ("text", "part"), [("", "''"), ("1,", "''"), ("a", "'a'"), ("7-5", "'7-5'"), ("-1", "'-1'"), ("1.5", "'1.5'")]
)
def test_seeds_that_are_none(text, part):
    with pytest.raises(ValueError) as caught:
        seeds_of(text)
    assert str(caught.value) == f"--seeds {text}: {part} is no number or range; write 1,2,3 or 1-20"


def test_the_job_files_of_a_folder(tmp_path):
    jobs = ["a.json", "b.YAML", "c.fasta.gz", "d.cif.zst", "e.bcif"]
    for name in [*jobs, "notes.txt", "table.csv", "f.a3m", "json", "g.gz"]:
        (tmp_path / name).touch()
    (tmp_path / "deeper.json").mkdir()
    assert [path.name for path in job_files(tmp_path)] == jobs
    assert job_files(tmp_path / "notes.txt") == [tmp_path / "notes.txt"]  # who names a file means it


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (89.0, "89 s"), (90.0, "2 min"), (3600.0, "60 min"), (5400.0, "1.5 h"), (9e4, "25.0 h")],
)
def test_durations(seconds, text):
    assert duration(seconds) == text


# ---- mistakes


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("JOB --weights WEIGHTS --device gpu", "--device gpu cannot be used ("),
        ("JOB --weights WEIGHTS --device cuda:77", "--device cuda:77 cannot be used ("),
        (
            "JOB --weights WEIGHTS --precision float16",
            "--precision float16 is not known; use auto, float32 or bfloat16",
        ),
        ("JOB --weights WEIGHTS --seeds 1-", "--seeds 1-: '1-' is no number or range; write 1,2,3 or 1-20"),
        ("JOB --weights WEIGHTS --seeds 4294967296", "job 'acid': seed 4294967296 is out of range"),
        ("JOB JOB --weights WEIGHTS", "two jobs would be written to OUT/acid: 'acid' and 'acid'; rename one"),
        ("EMPTY --weights WEIGHTS", "EMPTY has no job file; their names end in .json, .yaml, "),
        ("nowhere.json --weights WEIGHTS", "nowhere.json: No such file or directory"),
        ("BROKEN --weights WEIGHTS", "BROKEN: sequences[0].protein.cyclc: unknown key; did you mean cyclic?"),
        (
            "JOB --weights nowhere.pt",
            "--weights nowhere.pt: there is no such file, and no published model of that name",
        ),
        ("JOB --weights protenix-v3", "did you mean protenix-v2"),
        ("JOB --weights protenix-v2", "--weights protenix-v2: none of "),
        ("JOB --weights random:protenix-v3", "there is no preset 'protenix-v3'; did you mean protenix-v2"),
        ("JOB --weights BROKEN", "BROKEN"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(af3, job, tiny_weights, tmp_path, monkeypatch, words, line):
    monkeypatch.setenv("AF3_WEIGHTS", str(tmp_path))
    (tmp_path / "empty").mkdir()
    broken = tmp_path / "broken.yaml"
    broken.write_text(BOLTZ.replace("msa: empty", "cyclc: true"))
    places = {"JOB": job, "WEIGHTS": tiny_weights, "EMPTY": tmp_path / "empty", "BROKEN": broken}
    said = af3("predict", "-o", tmp_path / "out", *(places.get(word, word) for word in words.split()))
    for name, place in (places | {"OUT": tmp_path / "out"}).items():
        line = line.replace(name, str(place))
    assert said.code == 2 and said.out == ""
    *before, last = said.err.splitlines()
    assert last.startswith("af3: ") and line in last and all(WARNING in other for other in before if other)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("words", ["predict JOB", "predict JOB -o x --samples 0", "predict JOB -o x --step 3", "plan"])
def test_wrong_usage_is_exit_code_2(af3, job, words):
    said = af3(*words.replace("JOB", str(job)).split())
    assert said.code == 2 and "Usage: af3" in said.err and "Traceback" not in said.err


def test_all_mistakes_of_all_files_are_told(af3, job, tiny_weights, tmp_path):
    for name in ("one", "two"):
        (tmp_path / f"{name}.yaml").write_text(BOLTZ.replace("smiles", "smile"))
    said = af3("predict", tmp_path, "-o", tmp_path / "out", "--weights", tiny_weights)
    assert said.code == 2 and "one.yaml" in said.err and "two.yaml" in said.err


def test_what_can_be_refused_is_refused_before_weights_are_loaded(af3, job, tiny_weights, tmp_path, monkeypatch):
    def loaded(given: str) -> None:
        raise AssertionError("loaded")

    words = "predict", job, "-o", tmp_path / "out", "--weights", tiny_weights, "--samples", 1
    assert af3(*words).code == 0
    monkeypatch.setattr("alphafold3_pytorch.predict.command.load_weights", loaded)
    (tmp_path / "Acid.yaml").write_text(BOLTZ)
    said = af3(*words, tmp_path / "Acid.yaml", "--recycles", 7)
    case, settings = said.err.splitlines()
    assert said.code == 2 and case.startswith("af3: the jobs 'acid' and 'Acid' differ only in upper and lower case")
    assert settings.startswith(f"af3: {tmp_path / 'out' / 'acid'} holds a prediction") and "now it is 7" in settings


def test_ctrl_c_is_one_line_and_exit_code_130(af3, job, monkeypatch):
    def interrupted(*arguments: object) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr("alphafold3_pytorch.predict.command.predict", interrupted)
    assert af3("predict", job, "-o", "x") == (
        130,
        "",
        "af3: interrupted; the same command goes on where this one stopped\n",
    )


# ---- a prediction


def test_without_weights_those_of_the_package_are_taken(af3, job, tmp_path):
    said = af3("predict", job, "-o", tmp_path / "out", "--samples", 1, "--steps", 2, "--device", "cpu")
    assert said.code == 0 and said.err.startswith("af3: The weights are those of a very small network (nano)")
    assert json.loads((tmp_path / "out" / "acid" / "acid_summary_confidences.json").read_text())["warning"]


def test_random_weights_are_told_of_in_every_file(af3, job, tmp_path, monkeypatch):
    monkeypatch.setattr(loading, "NetworkConfig", lambda: TINY)
    options = ("--weights", "random", "--samples", 1, "--pdb", "--embeddings", "--distogram", "--device", "cpu")
    said = af3("predict", job, "-o", tmp_path / "out", *options)
    assert said.code == 0 and said.err.startswith(f"af3: {WARNING}")
    folder = tmp_path / "out" / "acid"
    unmarked = {"acid_data.json", "acid_run.json", "acid_ranking_scores.csv"}  # the job, and plain official columns
    checked = 0
    for path in folder.rglob("*"):
        if path.is_dir() or path.name in unmarked:
            continue
        if path.suffix == ".npz":
            assert WARNING in str(np.load(path)["warning"])
        elif path.suffix == ".json":
            assert WARNING in json.loads(path.read_text())["warning"]
        elif path.suffix == ".html":
            assert "random" in path.read_text()
        else:
            words = " ".join(path.read_text().replace("REMARK   1", "").split())
            assert WARNING in words or WARNING[:40] in words, path.name
        checked += 1
    assert checked == 2 * 5 + 2 + 1  # cif, two json, sdf, pdb of the sample and once more; two arrays; the report
    assert json.loads((folder / "acid_run.json").read_text())["weights"] == "random"


def test_progress_elsewhere_than_in_a_terminal_is_plain_lines(af3, job, tiny_weights, tmp_path):
    words = "predict", job, "-o", tmp_path / "out", "--weights", tiny_weights, "--seeds", "3,5", "--samples", 1
    said = af3(*words)
    assert said.code == 0 and "\x1b" not in said.err + said.out and "\r" not in said.err + said.out
    warning, *lines = said.err.splitlines()
    assert WARNING in warning
    assert lines == ["acid, seed 3: 10 tokens, about 0 s", "acid, seed 5: 10 tokens, about 0 s"]
    for word in ("ranking score", "pLDDT", str(tmp_path / "out" / "acid")):
        assert word in said.out
    again = af3(*words)
    assert again.code == 0 and f"acid was finished before: {tmp_path / 'out' / 'acid'}" in " ".join(again.out.split())


def test_one_failing_job_is_exit_code_1(af3, tiny_weights, tmp_path):
    (tmp_path / "good.fasta").write_text(FASTA)
    (tmp_path / "bad.json").write_text(json.dumps(UNFIT))
    said = af3("predict", tmp_path, "-o", tmp_path / "out", "--weights", tiny_weights, "--samples", 1)
    assert said.code == 1 and "Traceback" not in said.err
    assert [line for line in said.err.splitlines() if line.startswith("af3: job bad: ")]
    assert (tmp_path / "out" / "good" / "good_model.cif").exists() and not (tmp_path / "out" / "bad").exists()


def test_scores_of_an_earlier_run_are_shown(af3, job, tiny_weights, tmp_path):
    words = "predict", job, "-o", tmp_path / "out", "--weights", tiny_weights, "--no-report", "--samples"

    def shown(count: int) -> set[str]:
        return {" ".join(line.split()) for line in af3(*words, count).out.splitlines() if line.startswith("│")}

    first, both = shown(1), shown(2)
    assert len(first) == 1 and len(both) == 2 and first < both


# ---- a plan


def test_a_job_that_cannot_be_planned_keeps_no_other_from_it(af3, tiny_weights, tmp_path):
    (tmp_path / "good.fasta").write_text(FASTA)
    (tmp_path / "bad.json").write_text(json.dumps(UNFIT))
    said = af3("plan", tmp_path, "--weights", tiny_weights, "--device", "cpu", "--samples", 1)
    assert said.code == 2 and said.err.startswith("af3: job bad: ") and said.err.count("\n") == 1
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in said.out.splitlines() if "│" in line]
    assert [(row[1], row[2], row[-1]) for row in rows] == [
        ("bad", "", "cannot be predicted"),
        ("good", "6", "1 sample at a time"),
    ]


def test_plan(af3, job, tiny_weights, tmp_path, monkeypatch):
    (tmp_path / "other.fasta").write_text(FASTA)
    said = af3("plan", tmp_path, "--weights", tiny_weights, "--device", "cpu", "--samples", 3)
    assert said.code == 0 and said.err == "" and "3 samples at a time" in said.out
    found = [[cell.strip() for cell in line.split("│")[1:-1]] for line in said.out.splitlines() if "│" in line]
    assert [row[1:3] for row in found] == [["acid", "10"], ["other", "6"]]
    monkeypatch.setattr(planning, "available_memory", lambda device: 1.0)
    said = af3("plan", job, "--weights", tiny_weights, "--device", "cpu")
    assert said.code == 1 and "does not fit: 0.0 GB are free" in said.out
    assert said.err.startswith("af3: job acid: 10 tokens need ") and said.err.count("\n") == 1


def test_plan_needs_no_weight_file(af3, job):
    """The sizes of a published model are known."""
    said = af3("plan", job, "--device", "cpu", "--weights", "protenix_tiny_default_v0.5.0")
    assert said.code in (0, 1) and "acid" in said.out
    unknown = af3("plan", job, "--weights", "protenix_tiny")
    assert unknown.code == 2 and "did you mean " in unknown.err and "protenix_tiny_default_v0.5.0?" in unknown.err


def test_help_is_quick_and_without_torch():
    """Counted in processor time, so that a busy machine does not matter."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    code = (
        "import sys; sys.argv = ['af3', 'predict', '--help']\n"
        "from alphafold3_pytorch import cli\n"
        "try: cli.main()\n"
        "except SystemExit: print([name for name in ('torch', 'numpy', 'rdkit') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0 and "Predict structures." in done.stdout and done.stdout.endswith("[]\n")
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1
