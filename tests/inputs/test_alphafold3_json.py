import copy
import gzip
import json
import lzma
import re
from typing import Any

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from alphafold3_pytorch.inputs.alphafold3_json import parse, read
from alphafold3_pytorch.inputs.job import Dna, Ligand, Protein, Rna

A3M = ">query\nPVLSC\n>hit\nPaV-SC\n"
FULL = {
    "name": "Hello fold",
    "modelSeeds": [10, 42],
    "sequences": [
        {
            "protein": {
                "id": ["A", "B"],
                "sequence": "PVLSC",
                "modifications": [{"ptmType": "HY3", "ptmPosition": 1}],
                "description": "five residues",
                "unpairedMsa": A3M,
                "pairedMsa": "",
                "templates": [{"mmcif": "data_T\n", "queryIndices": [0, 1], "templateIndices": [2, 3]}],
            }
        },
        {"rna": {"id": "C", "sequence": "AGCU", "modifications": [{"modificationType": "2MG", "basePosition": 2}]}},
        {"dna": {"id": "D", "sequence": "GACCTCT"}},
        {"ligand": {"id": "E", "ccdCodes": ["NAG", "NAG"]}},
        {"ligand": {"id": ["F"], "smiles": "CCC\\C=C\\CO"}},
    ],
    "bondedAtomPairs": [[["E", 1, "O4"], ["E", 2, "C1"]]],
    "dialect": "alphafold3",
    "version": 4,
}


def changed(*path: str | int, value: Any = ...) -> str:
    """The full job with one value replaced, or left out."""
    job = copy.deepcopy(FULL)
    inner: Any = job
    for key in path[:-1]:
        inner = inner[key]
    if value is ...:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return json.dumps(job)


def test_everything_that_the_dialect_can_say():
    job = parse(json.dumps(FULL))
    protein, rna, dna, sugar, smiles = job.entities
    assert (job.name, job.seeds) == ("Hello fold", (10, 42))
    assert isinstance(protein, Protein) and protein.ids == ("A", "B") and protein.residues()[0] == "HY3"
    assert protein.unpaired_msa == A3M and protein.paired_msa == "" and protein.templates is not None
    assert protein.templates[0].template_indices == (2, 3) and protein.description == "five residues"
    assert isinstance(rna, Rna) and rna.unpaired_msa is None and rna.residues() == ("A", "2MG", "C", "U")
    assert isinstance(dna, Dna) and dna.residues()[-1] == "DT"
    assert isinstance(sugar, Ligand) and sugar.codes == ("NAG", "NAG")
    assert isinstance(smiles, Ligand) and smiles.smiles == "CCC\\C=C\\CO"
    assert [str(end) for end in job.bonds[0]] == ["E:1:O4", "E:2:C1"]


PROTEIN = ("sequences", 0, "protein")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (changed("modelSeds", value=[1]), "modelSeds: unknown key; did you mean modelSeeds?"),
        (changed("name"), "name: is missing; it must be text"),
        (changed("name", value=3), "name: is 3; it must be text"),
        (changed("modelSeeds", value=[]), "no seed"),
        (changed("modelSeeds", value=[1, True]), "modelSeeds[1]: is true; it must be a whole number"),
        (changed("dialect", value="boltz"), 'dialect: is "boltz"'),
        (changed("version", value=5), "version: is 5; known are 1, 2, 3, 4"),
        (changed("version", value=3), "protein.description: needs version 4, this file says version 3"),
        (changed(*PROTEIN, "sequence", value="PV7"), "the sequence has '7' in it"),
        (changed(*PROTEIN, "id", value="a"), 'protein.id: is "a"; use upper-case letters'),
        (changed(*PROTEIN, "id", value=[]), "protein.id: is empty"),
        (changed(*PROTEIN, "id", value=["A", "C"]), "two chains have the id 'C'"),
        (changed(*PROTEIN, "pairedMsa"), "protein: lacks pairedMsa"),
        (changed(*PROTEIN, "unpairedMsaPath", value="x.a3m"), "unpairedMsa and unpairedMsaPath; give one of them"),
        (changed(*PROTEIN, "modifications", 0, "ptmPosition", value=9), "HY3 is at position 9"),
        (changed(*PROTEIN, "templates", 0, "mmcif"), "templates[0]: lacks mmcif"),
        (changed(*PROTEIN, "templates", 0, "queryIndices", value=[0]), "1 queryIndices but 2 templateIndices"),
        (changed("sequences", 3, "ligand", "smiles", value="C"), "ccdCodes and smiles; give one of them"),
        (changed("sequences", 2, value={"lipid": {}}), "sequences[2].lipid: unknown key"),
        (changed("sequences", 2, value=7), "sequences[2]: is 7; it must be a record"),
        (changed("bondedAtomPairs", value=[[["E", 1, "O4"]]]), "bondedAtomPairs[0]: is"),
        (changed("bondedAtomPairs", 0, 0, value=["F", 1, "C1"]), "chain F is given as SMILES"),
        (changed("userCCD", value="data_X\n"), "userCCD: there is no chemical component"),
        (changed("userCCDPath", value="nowhere.cif"), "userCCDPath: nowhere.cif: No such file"),
        ('{"name": 1, "name": 2}', "the key 'name' occurs twice"),
        ("{", "not valid JSON"),
        ("[]", "is []; it must be a record"),
    ],
)
def test_mistakes_are_named_with_their_path(text, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        parse(text, source="job.json")


def test_all_mistakes_of_a_file_come_at_once():
    job = copy.deepcopy(FULL)
    job["nme"], job["sequences"][0]["protein"]["id"], job["sequences"][2]["dna"]["sequence"] = "x", 1, 2
    with pytest.raises(ValueError) as caught:
        parse(json.dumps(job), source="job.json")
    lines = str(caught.value).splitlines()
    assert len(lines) == 3 and all(line.startswith("job.json: ") for line in lines)


@pytest.mark.parametrize("pack", [bytes, gzip.compress, lzma.compress, zstandard.ZstdCompressor().compress])
def test_paths_are_relative_to_the_file_and_may_be_packed(tmp_path, pack):
    job = copy.deepcopy(FULL)
    del job["sequences"][0]["protein"]["unpairedMsa"]
    job["sequences"][0]["protein"]["unpairedMsaPath"] = "msas/x.a3m"
    (tmp_path / "msas").mkdir()
    (tmp_path / "msas" / "x.a3m").write_bytes(pack(A3M.encode()))
    (tmp_path / "job.json").write_text(json.dumps(job))
    entity = read(tmp_path / "job.json").entities[0]
    assert isinstance(entity, Protein) and entity.unpaired_msa == A3M


def test_files_that_are_no_text(tmp_path):
    for content in (b"\x1f\x8b broken", b"\xff\xfe\x00"):
        (tmp_path / "job.json").write_bytes(content)
        with pytest.raises(ValueError, match="job.json"):
            read(tmp_path / "job.json")


anything = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 300) | st.text(max_size=5) | st.sampled_from(["A", "ATP", "ACGU"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "sequence", "protein"]), inner),
    max_leaves=6,
)


def places(value, path=()):
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*path, key))


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([path for path in places(FULL) if path]), anything)
def test_any_value_anywhere_is_read_or_refused(path, value):
    try:
        parse(changed(*path, value=value))
    except ValueError as error:
        assert str(error)
