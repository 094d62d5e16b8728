"""Alignments in Stockholm format, wherever a job file names one."""

import gzip
import json

import pytest

from alphafold3_pytorch.inputs.read import parse, read
from alphafold3_pytorch.search.alignment import parse_alignment

TEXT = "# STOCKHOLM 1.0\n\n#=GS h/1-4 DE a hit\nquery  MV-LS\nh/1-4  M.aL-\n#=GC RF xx.xx\n\nquery  EG\nh/1-4  EG\n//\n"
A3M = ">query\nMVLSEG\n>h/1-4\nM-aL-EG\n"


def job(**protein):
    entity = {"protein": {"id": "A", "sequence": "MVLSEG", "templates": [], **protein}}
    return json.dumps({"name": "x", "dialect": "alphafold3", "version": 2, "modelSeeds": [1], "sequences": [entity]})


def unpaired(job):
    [protein] = job.entities
    return protein.unpaired_msa


def test_the_same_rows_as_a3m():
    ours, expected = parse_alignment(TEXT), parse_alignment(A3M)
    assert ours.names == expected.names
    assert (ours.letters == expected.letters).all() and (ours.deletions == expected.deletions).all()


@pytest.mark.parametrize("packed", [False, True])
def test_alphafold3_json(tmp_path, packed):
    path = tmp_path / ("hits.sto.gz" if packed else "hits.sto")
    path.write_bytes(gzip.compress(TEXT.encode()) if packed else TEXT.encode())
    (tmp_path / "job.json").write_text(job(unpairedMsaPath=path.name, pairedMsa=""))
    [from_file] = read(tmp_path / "job.json")
    [inline] = parse(job(unpairedMsa=TEXT, pairedMsa=""))
    assert [unpaired(each) for each in (from_file, inline)] == [A3M, A3M]


def test_boltz(tmp_path):
    (tmp_path / "hits.sto").write_text(TEXT)
    text = "sequences:\n  - protein:\n      id: A\n      sequence: MVLSEG\n      msa: hits.sto\n"
    [read_back] = parse(text, tmp_path)
    assert unpaired(read_back) == A3M


def test_a_broken_one_is_named():
    with pytest.raises(ValueError, match="unpairedMsa.*not as long as the first"):
        parse(job(unpairedMsa=TEXT.replace("M.aL-", "M.a"), pairedMsa=""))
