import re

import pytest

from alphafold3_pytorch.inputs.job import Ligand, Modification, Protein
from alphafold3_pytorch.inputs.read import parse
from alphafold3_pytorch.inputs.write import write

CHAI = """>protein|name=a kinase
MKT(TPO)A[SEP]G
>protein|second
mkta
>rna|name=R
GGACU
>DNA|name=C
ACGT
>ligand|name=aspirin
CC(=O)Oc1ccccc1C(=O)O
>glycan|name=G
NAG(4-1 NAG(4-1 BMA(3-1 MAN)(6-1 MAN)))
"""


def test_letters_tell_the_kind():
    text = ">one\nMKTAYI\nAKQR\n\n> two words\nacgtn\n>three\nGGACU\n>four\nUGC\n>five\nACGUM\n"
    (job,) = parse(text, source="x/complex.fa.gz")
    assert [entity.kind for entity in job.entities] == ["protein", "dna", "rna", "rna", "protein"]
    assert job.name == "complex" and [chain for chain, _ in job.chains()] == ["A", "B", "C", "D", "E"]
    assert job.entities[1].description == "two words" and job.entities[0] == Protein(
        ("A",), "MKTAYIAKQR", description="one"
    )


def test_chai_records():
    (job,) = parse(CHAI, source="complex.fasta")
    kinase, second, _, dna, aspirin, glycan = job.entities
    assert isinstance(kinase, Protein) and kinase.sequence == "MKTTASG" and kinase.description == "a kinase"
    assert kinase.modifications == (Modification("TPO", 4), Modification("SEP", 6))
    assert second.description == "second" and dna.kind == "dna"
    assert isinstance(aspirin, Ligand) and aspirin.smiles.startswith("CC(=O)") and aspirin.ids == ("E",)
    assert isinstance(glycan, Ligand) and glycan.codes == ("NAG", "NAG", "BMA", "MAN", "MAN")
    assert [f"{a}-{b}" for a, b in job.bonds][2:] == ["F:3:O3-F:4:C1", "F:3:O6-F:5:C1"]


def test_what_chai_can_say_comes_back():
    jobs = parse(CHAI)
    draft = write(jobs, "chai")
    (text,) = draft.files.values()
    assert not draft.lost and parse(text) == jobs


def test_boltz_records(tmp_path):
    (tmp_path / "x.a3m").write_text(">q\nMK\n")
    text = ">A|protein|x.a3m\nMK\n>B|protein|empty\nMK\n>C|PROTEIN\nMK\n>D|ccd\nATP\n>E|smiles\nCCO\n>F|dna\nAC\n"
    (job,) = parse(text, tmp_path)
    first, empty, free, ccd, smiles, dna = job.entities
    assert isinstance(first, Protein) and first.unpaired_msa == ">q\nMK\n" and first.paired_msa == ""
    assert (
        isinstance(empty, Protein)
        and empty.unpaired_msa == ""
        and isinstance(free, Protein)
        and free.unpaired_msa is None
    )
    assert isinstance(ccd, Ligand) and ccd.codes == ("ATP",) and isinstance(smiles, Ligand) and dna.kind == "dna"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (">one\nACGN\n", "line 1 (>one): a sequence of A, C, G and N alone can be protein, RNA or DNA"),
        (">one\nMKT:MKT\n", "write each chain as a record of its own"),
        (">one\nMK*\n", "the sequence has '*' in it"),
        (">one\n>two\nMK\n", "line 1 (>one): there is nothing below this header"),
        (">protein|name=a\nMK(SEP\n", "the sequence is not understood from '(SEP'"),
        (">protein|name=a\nMK(SEPX)\n", "unknown component code 'SEPX'"),
        (">protein|name=a\nMK\n>lipid|name=b\nC\n", "line 3 (>lipid|name=b): the header must be >kind|name"),
        (">protein|label=a\nMK\n", "the header says label=a; known is name="),
        (">protein|name=a|x\nMK\n", "the header must be >kind|name=..."),
        (">glycan|name=a\nNAG(NAG)\n", "say how NAG is bonded"),
        (">A|protein|x|y\nMK\n", "the header must be >chain|kind"),
        (">A|protein\nMK\n>B|rna|x.a3m\nGU\n", '"x.a3m" has no meaning here; only proteins have an alignment'),
        (">A|protein\nMK\n>A|protein\nMK\n", "two chains have the id 'A'"),
    ],
)
def test_mistakes_are_named_with_their_line(text, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        parse(text)
