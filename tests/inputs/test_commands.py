"""af3 validate and af3 convert."""

import json

import pytest
from typer.testing import CliRunner

from alphafold3_pytorch.cli import app

YAML = """sequences:
- protein: {id: [A, B], sequence: PVLSC, modifications: [{position: 4, ccd: SEP}]}
- ligand: {id: C, ccd: ATP}
- ligand: {id: D, smiles: CCO}
"""
BAD = """sequences:
- protein: {id: A, sequence: PVLSC, modifications: [{position: 4, ccd: SEPP}]}
- ligand: {id: D, smiles: 'CC('}
"""
BONDS = """sequences:
- protein: {id: A, sequence: PVLSC}
- ligand: {id: L, ccd: ATP}
constraints:
- bond: {atom1: [A, 5, SG], atom2: [L, 1, PB]}
- bond: {atom1: [A, 5, SX], atom2: [L, 1, PB]}
- bond: {atom1: [A, 9, SG], atom2: [L, 1, PB]}
"""


def af3(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_good_files_are_a_table(tmp_path):
    (tmp_path / "job.yaml").write_text(YAML)
    (tmp_path / "job.fasta").write_text(">one\nMKTAY\n")
    done = af3("validate", tmp_path / "job.yaml", tmp_path / "job.fasta")
    rows = [line.split("│")[2:-1] for line in done.stdout.splitlines() if line.startswith("│")]
    cells = [[cell.strip() for cell in row] for row in rows]
    assert done.exit_code == 0 and not done.stderr
    # 2 chains of 4 residues and the 10 heavy atoms of a phosphoserine (one more at no end), 31 of ATP, 3 of ethanol
    assert cells == [["boltz", "job", "4", "12", "62", "1"], ["fasta", "job", "1", "5", "5", "1"]]


def test_all_mistakes_of_all_files_are_listed(tmp_path):
    for name, text in {
        "a.yaml": BAD,
        "b.yaml": BONDS,
        "c.yaml": YAML,
        "d.yaml": YAML.replace("ccd: ATP", "cdc: ATP"),
    }.items():
        (tmp_path / name).write_text(text)
    done = af3("validate", *sorted(tmp_path.glob("*.yaml")), tmp_path / "nothing.json")
    lines = done.stderr.splitlines()
    wanted = ["'SEPP'; near", "smiles 'CC('", "bond 2 (A:5:SX", "bond 3 (A:9:SG", "cdc: unknown"]
    assert done.exit_code == 2 and "c.yaml" in done.stdout
    assert [word for word, line in zip(wanted, lines, strict=False) if word not in line] == [], lines
    assert "No such file" in lines[-1]


def test_alignments_are_checked(tmp_path):
    (tmp_path / "x.a3m").write_text(">q\nPVLSA\n")
    (tmp_path / "a.yaml").write_text("sequences:\n- protein: {id: A, sequence: PVLSC, msa: x.a3m}\n")
    done = af3("validate", tmp_path / "a.yaml")
    assert done.exit_code == 2 and "unpaired MSA of chain A: the first row is PVLSA" in done.stderr


def test_convert_writes_a_file_and_lists_what_is_lost(tmp_path):
    (tmp_path / "job.yaml").write_text(YAML)
    out = tmp_path / "out.json"
    done = af3("convert", tmp_path / "job.yaml", "--to", "alphafoldserver", "-o", out)
    assert done.exit_code == 0 and done.stdout == f"wrote {out}\n"
    assert done.stderr == (
        "af3: lost: job: chain D is left out: the server has ligands of one component of the dictionary only\n"
    )
    assert json.loads(out.read_text())[0]["sequences"][0]["proteinChain"]["count"] == 2


def test_files_that_exist_are_kept(tmp_path):
    (tmp_path / "job.yaml").write_text(YAML)
    with pytest.raises(ValueError, match="job.yaml exists; choose another place with -o, or replace it with --force"):
        CliRunner().invoke(
            app, ["convert", str(tmp_path / "job.yaml"), "--to", "boltz", "-o", str(tmp_path)], catch_exceptions=False
        )
    assert (tmp_path / "job.yaml").read_text() == YAML
    assert af3("convert", tmp_path / "job.yaml", "--to", "boltz", "-o", tmp_path, "--force").exit_code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["job.yaml"]


def test_several_jobs_need_a_folder(tmp_path):
    job = {
        "name": "one",
        "sequences": [{"proteinChain": {"sequence": "PVLSC", "unpairedMsa": ">q\nPVLSC\n>h\nPV-SC\n"}}],
    }
    (tmp_path / "jobs.json").write_text(json.dumps([job, job]))
    with pytest.raises(ValueError, match="2 job files cannot be one file"):
        CliRunner().invoke(
            app,
            ["convert", str(tmp_path / "jobs.json"), "--to", "boltz", "-o", str(tmp_path / "x.yaml")],
            catch_exceptions=False,
        )
    assert af3("convert", tmp_path / "jobs.json", "--to", "boltz", "-o", tmp_path).exit_code == 0
    names = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.*"))
    assert names == ["jobs.json", "one.yaml", "one_2.yaml", "one_files/A.a3m", "one_files_2/A.a3m"]


def test_an_unknown_dialect_is_named(tmp_path):
    (tmp_path / "job.yaml").write_text(YAML)
    done = af3("convert", tmp_path / "job.yaml", "--to", "rosetta")
    assert isinstance(done.exception, ValueError) and "known are alphafold3, alphafoldserver" in str(done.exception)
