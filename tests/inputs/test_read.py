"""Which dialect a file is in, and that nothing but ValueError comes out of any text."""

import gzip
import json
import re
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from alphafold3_pytorch.inputs.job import Dna, Job, Ligand, Modification, Protein, Rna, head_to_tail
from alphafold3_pytorch.inputs.read import READERS, dialect_of, parse, read
from alphafold3_pytorch.inputs.write import WRITERS, write

PEPTIDE = Protein(("A", "B"), "PVLSC", (Modification("SEP", 4),), description="a peptide")
JOB = Job(
    "job",
    (PEPTIDE, Rna(("C",), "GGACU"), Dna(("D",), "ACGT"), Ligand(("E",), codes=("MG",)), Ligand(("F",), smiles="CCO")),
    bonds=(head_to_tail("C", Rna(("C",), "GGACU")),),
    seeds=(3,),
)
EXAMPLES = {dialect: next(iter(write([JOB], dialect).files.values())) for dialect in WRITERS}
EXAMPLES["boltz-fasta"] = ">A|protein|empty\nMK\n>B|ccd\nATP\n"
COUNTED = {"name": "x", "sequences": [{"proteinChain": {"sequence": "MK"}}]}


@pytest.mark.parametrize("dialect", EXAMPLES)
def test_a_dialect_is_known_by_its_content(dialect, tmp_path):
    (tmp_path / "job.txt.gz").write_bytes(gzip.compress(f"\n{EXAMPLES[dialect]}".encode()))
    assert dialect_of(EXAMPLES[dialect]) == dialect and len(read(tmp_path / "job.txt.gz")) == 1


@pytest.mark.parametrize(
    ("text", "dialect"),
    [
        (json.dumps(COUNTED), "protenix"),
        (json.dumps([COUNTED | {"modelSeeds": []}]), "protenix"),
        (json.dumps([COUNTED | {"dialect": "alphafoldserver"}]), "alphafoldserver"),
        (json.dumps({"dialect": "alphafoldserver", "sequences": []}), "alphafoldserver"),
        (json.dumps([{"sequences": [{"proteinChain": {"useStructureTemplate": True}}]}]), "alphafoldserver"),
        ('{"sequences": [], "modelSeeds": [1]}', "alphafold3"),
        ('{"sequences": [{"protein": {"id": "A"}}]}', "boltz"),
        ("data_1ABC\nloop_\n_atom_site.id\n1\n", "mmcif"),
        (">sp|P69905|HBA_HUMAN\nMVLS\n", "fasta"),
    ],
)
def test_what_dialects_share_is_told_apart(text, dialect):
    assert dialect_of(text) == dialect


@pytest.mark.parametrize("text", ["", "MKTAYIAKQR", "{}", "[]", "[1]", "3", "sequence: MK", "<html>", '{"a": 1}', "\0"])
def test_what_is_no_job_file_is_one_sentence(text):
    with pytest.raises(
        ValueError, match="x.json is (JSON, but )?no job file; known are the JSON of AlphaFold 3"
    ) as caught:
        parse(text, source="x.json")
    assert "\n" not in str(caught.value)


def test_broken_json_is_named():
    with pytest.raises(ValueError, match=re.escape("job is not valid JSON: Expecting")):
        parse('{"sequences": [')


words = st.sampled_from(
    ["A", "ATP", "ACGU", "NAG(4-1 NAG)", "CCD_NAG_BMA", "FILE_no.sdf", "no.a3m", "empty", "=x", "|", ">"]
)
plain = st.none() | st.booleans() | st.integers(-3, 300) | st.floats() | st.text(max_size=5) | words
KEYS = sorted(set(re.findall(r"[A-Za-z_0-9]+", " ".join(EXAMPLES.values()))) | {"glycans", "residues", "msa", "cyclic"})
anything = st.recursive(
    plain,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=3), inner),
    max_leaves=8,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Any:
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*path, key))


def document(dialect: str) -> Any:
    return yaml.safe_load(EXAMPLES[dialect])  # JSON is YAML


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(value[path[0]], path[1:], new)
    return copy


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Everything here runs in a folder that must stay empty: readers write nothing."""
    place = tmp_path_factory.mktemp("empty")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        yield
    assert not list(place.iterdir())


def is_read_or_refused(text: str, dialect: str) -> None:
    try:
        READERS[dialect](text, None, "job")
    except ValueError as error:
        assert str(error)


RECORDS = ("alphafold3", "alphafoldserver", "boltz", "protenix", "openfold3")
PLACES = [(dialect, path) for dialect in RECORDS for path in places(document(dialect))]


@settings(max_examples=150, deadline=None)
@given(place=st.sampled_from(PLACES), value=anything, added=st.none() | st.sampled_from(KEYS))
def test_any_value_anywhere_is_read_or_refused(place, value, added):
    dialect, path = place
    changed = replaced(document(dialect), path, value if added is None else {added: value})
    text = yaml.safe_dump(changed) if dialect == "boltz" else json.dumps(changed)
    is_read_or_refused(text, dialect)


@settings(max_examples=200, deadline=None)
@given(
    dialect=st.sampled_from(sorted(READERS)),
    text=st.text(st.sampled_from("{}[]():,>|-&*!? \n\tABC1'\"#=") | st.characters()),
)
def test_any_text_is_read_or_refused(dialect, text):
    is_read_or_refused(text, dialect)


@settings(max_examples=200, deadline=None)
@given(
    dialect=st.sampled_from(sorted(EXAMPLES)),
    start=st.floats(0, 1),
    length=st.integers(0, 20),
    text=words | st.text(max_size=3),
)
def test_damaged_files_are_read_or_refused(dialect, start, length, text):
    whole = EXAMPLES[dialect]
    place = int(start * len(whole))
    is_read_or_refused(whole[:place] + text + whole[place + length :], dialect)


@pytest.mark.parametrize("dialect", RECORDS)
@pytest.mark.parametrize("depth", [900, 100_000])
def test_deep_nesting_is_refused(dialect, depth):
    with pytest.raises(ValueError):
        READERS[dialect]('{"sequences": ' + "[" * depth + "]" * depth + "}", None, "job")
