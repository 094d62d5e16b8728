"""The commands from the outside: hits of templates on their way into a job, and one line for any mistake."""

import contextlib
import gzip
import io
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from alphafold3_pytorch import cli
from alphafold3_pytorch.inputs.build import build
from alphafold3_pytorch.inputs.job import Job, Protein
from alphafold3_pytorch.inputs.read import READERS, read
from alphafold3_pytorch.inputs.write import WRITERS
from alphafold3_pytorch.predict.command import read_jobs
from alphafold3_pytorch.structure.mmcif_text import mmcif_text
from tests.chem.test_cif import binary
from tests.inputs.test_read import EXAMPLES
from tests.structure.test_mmcif import ENTRY as UNKNOWN

ENTRY = UNKNOWN.replace("ZZ-9", "ATP")
SEQUENCE = "MKVLAWGHTEPLSMQRNDYF"
QUERY = f"GG{SEQUENCE}GGGG"
HITS = f">1abc_A/1-20 mol:protein length:20\n--{SEQUENCE}----\n"
DATED = "_pdbx_audit_revision_history.revision_date 2015-01-01\n"


def af3(*arguments: object) -> tuple[int, str]:
    """Exit code and what stands on stderr. A traceback fails the test."""
    out, problems = io.StringIO(), io.StringIO()
    argv = ["af3", *map(str, arguments)]
    with mock.patch.object(sys, "argv", argv), contextlib.redirect_stdout(out), contextlib.redirect_stderr(problems):
        try:
            cli.main()
        except SystemExit as leaving:
            return int(leaving.code or 0), problems.getvalue()
    return 0, problems.getvalue()


@pytest.fixture
def job(tmp_path):
    (tmp_path / "hits.a3m").write_text(HITS)
    chain = {"sequence": QUERY, "count": 1, "templatesPath": "hits.a3m"}
    (tmp_path / "job.json").write_text(json.dumps([{"name": "one", "sequences": [{"proteinChain": chain}]}]))
    (tmp_path / "pdb").mkdir()
    structure = build(Job("1abc", (Protein(("A",), SEQUENCE),)))
    structure.positions[:] = structure.residue[:, None]
    (tmp_path / "pdb" / "1abc.cif.gz").write_bytes(gzip.compress((mmcif_text(structure, "1abc") + DATED).encode()))
    return tmp_path / "job.json"


def test_hits_need_the_structures_that_they_name(job):
    code, line = af3("validate", job)
    assert code == 2 and line == (
        f"af3: {job}: job one: template hits of protein A: give the folder of the mmCIF files of the entries "
        "(--template-folder)\n"
    )
    with pytest.raises(ValueError, match="--template-folder"):
        read_jobs([job])
    assert af3("plan", job)[0] == 2
    assert af3("validate", job, "--template-folder", job.parent / "pdb") == (0, "")
    assert af3("validate", job, "--template-folder", job.parent / "pdb", "--max-template-date", "soon")[0] == 2


@pytest.mark.parametrize(("date", "count"), [("2015-01-01", 1), ("2014-12-31", 0)])
def test_hits_become_templates(job, date, count):
    ((_, made),) = read_jobs([job], job.parent / "pdb", date)
    assert isinstance(made.entities[0], Protein) and len(made.entities[0].templates or ()) == count
    options = "--template-folder", job.parent / "pdb", "--max-template-date", date
    out = job.parent / "out.json"
    assert af3("convert", job, "--to", "alphafold3", "-o", out, *options) == (0, "")
    (protein,) = read(out)[0].entities
    assert isinstance(protein, Protein) and protein.templates == made.entities[0].templates
    assert "the hits of a template search" in af3("convert", job, "--to", "alphafold3", "-o", out, "--force")[1]


def test_a_chain_that_wants_no_templates_needs_no_folder(tmp_path):
    chain = {"sequence": QUERY, "count": 1, "useStructureTemplate": False}
    (tmp_path / "job.json").write_text(json.dumps([{"name": "one", "sequences": [{"proteinChain": chain}]}]))
    ((_, job),) = read_jobs([tmp_path / "job.json"])
    assert isinstance(job.entities[0], Protein) and job.entities[0].templates == ()


@pytest.mark.parametrize("name", ["x.bcif", "x.bcif.gz", "x.cif"])
def test_binary_cif_is_a_job_file(tmp_path, name):
    content = ENTRY.encode() if name.endswith(".cif") else binary(ENTRY)
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    (tmp_path / "text.cif").write_text(ENTRY)
    assert read(tmp_path / name) == read(tmp_path / "text.cif")
    assert af3("validate", tmp_path / name) == (0, "")


def test_binary_cif_is_no_alignment(tmp_path):
    (tmp_path / "x.a3m").write_bytes(binary(ENTRY))
    (tmp_path / "job.yaml").write_text("sequences:\n- protein: {id: A, sequence: PV, msa: x.a3m}\n")
    assert af3("validate", tmp_path / "job.yaml")[1].endswith("x.a3m is not a text file\n")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder to run in, since names without a path are looked for there."""
    folder, before = tmp_path_factory.mktemp("fuzz"), Path.cwd()
    os.chdir(folder)
    yield folder
    os.chdir(before)


texts = {**EXAMPLES, "mmcif": ENTRY, "bcif": binary(ENTRY).decode("latin-1")}


@settings(max_examples=120, deadline=None)
@given(
    source=st.sampled_from(sorted(texts)),
    cut=st.tuples(st.integers(0, 3000), st.integers(0, 12)),
    new=st.text(max_size=4) | st.sampled_from(["\0", "\n", "'", '"', "{", "../x", "9" * 30, "\udcff"]),
    to=st.sampled_from(sorted(WRITERS)),
)
@example(source="bcif", cut=(40, 3), new="", to="fasta")
def test_no_file_ends_in_a_traceback(place, source, cut, new, to):
    assert set(texts) - {"bcif"} <= set(READERS)
    text = texts[source]
    start = cut[0] % (len(text) + 1)
    changed = text[:start] + new + text[start + cut[1] :]
    file = place / "job.x"
    file.write_bytes(changed.encode("latin-1" if source == "bcif" else "utf-8", "replace"))
    code, problems = af3("validate", file)
    assert code in (0, 2) and (code == 2) == problems.startswith("af3: ")
    code, problems = af3("convert", file, "--to", to, "-o", place / "out.x", "--force")
    assert code in (0, 2) and (code == 2) <= problems.startswith("af3: ")
