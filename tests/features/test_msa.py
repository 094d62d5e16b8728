import gzip
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alphafold3_pytorch.chem.residues import GAP, UNKNOWN
from alphafold3_pytorch.features.featurize import prepare
from alphafold3_pytorch.features.msa import encoding, paired_places
from alphafold3_pytorch.features.options import FeatureOptions
from alphafold3_pytorch.inputs.job import Dna, Job, Ligand, Modification, Protein, Rna
from alphafold3_pytorch.inputs.reading import read_text
from alphafold3_pytorch.search.alignment import parse_a3m

SEQUENCE = "MKTAYI"


def a3m(*rows):
    return "".join(f">{name}\n{row}\n" for name, row in rows)


def up(species, row):
    return f"tr|A0A00{species[0]}|A0A00{species[0]}_{species}", row


def msa(*entities, **options):
    return prepare(Job("j", entities), 1, FeatureOptions(**options)).msa


def text(rows):
    letters = "ARNDCQEGHILKMFPSTWYVXAGCUNAGCTN-"
    return ["".join(letters[index] for index in row) for row in rows]


def test_one_sequence_stands_on_top_twice():
    unpaired = a3m(("q", SEQUENCE), ("h", "MaaK-AYI"))
    found = msa(Protein(("A", "B"), SEQUENCE, unpaired_msa=unpaired, paired_msa=""))
    assert text(found.rows)[0] == text(found.rows)[1] == SEQUENCE * 2 and len(found.rows) == 3


def test_deletions_and_profile():
    found = msa(
        Protein(("A",), SEQUENCE, unpaired_msa=a3m(("q", SEQUENCE), ("h", "MxyzK-AYI"), ("h", "MK-AYU")), paired_msa="")
    )
    assert found.deletions[2].tolist() == [0, 3, 0, 0, 0, 0] and np.allclose(found.deletion_mean, [0, 1, 0, 0, 0, 0])
    assert np.allclose(found.profile.sum(axis=1), 1) and np.isclose(found.profile[2, GAP], 2 / 3)
    assert text(found.rows)[3][-1] == "C"  # selenocysteine counts as cysteine


def test_counts_of_deletions_are_limited_and_their_mean_is_not():
    text = a3m(("q", SEQUENCE), ("h", f"M{'a' * 200}KTAYI"))
    found = msa(Protein(("A",), SEQUENCE, unpaired_msa=text, paired_msa=""))
    assert found.deletions.max() == 127 and found.deletion_mean.tolist() == [0, 100, 0, 0, 0, 0]


def test_short_chains_ligands_and_dna_have_their_own_sequence_only():
    found = msa(
        Protein(("A",), "MKTA", unpaired_msa=a3m(("q", "MKTA"), ("h", "MKTT")), paired_msa=""),
        Dna(("B",), "ACGT"),
        Ligand(("C",), codes=("MG",)),
    )
    assert text(found.rows) == ["MKTAACGT-"] * 2 and found.profile[-1, GAP] == 1


def test_rna_has_an_alignment_of_its_own_letters():
    found = msa(Rna(("A",), "GACUG", unpaired_msa=a3m(("q", "GACUG"), ("h", "G-CTR"))))
    assert text(found.rows)[2] == "G-CNN"


def test_modified_residues_repeat_their_column():
    found = msa(Protein(("A",), "MKSAYI", (Modification("SEP", 3),), a3m(("q", "MKSAYI"), ("h", "MKTAYI")), ""))
    assert text(found.rows)[2] == "MK" + "T" * 10 + "AYI"


def test_species_are_paired_and_paired_rows_leave_the_unpaired_ones():
    first = a3m(("q", SEQUENCE), up("HUMAN", "MKTAYV"), up("MOUSE", "MKTAYL"), up("YEAST", "MKTAYA"))
    second = a3m(("q", "GGGGGG"), up("MOUSE", "GGGGGA"), up("HUMAN", "GGGGGC"), up("ECOLI", "GGGGGD"))
    unpaired = a3m(("q", SEQUENCE), ("h", "MKTAYV"), ("h", "MKTAYW"))
    chains = Protein(("A",), SEQUENCE, (), unpaired, first), Protein(("B",), "GGGGGG", (), "", second)
    found = text(msa(*chains).rows)
    assert found == [SEQUENCE + "GGGGGG", "MKTAYVGGGGGC", "MKTAYLGGGGGA", "MKTAYW" + "-" * 6]
    kept = text(msa(*chains, resolve_msa_overlaps=False).rows)
    assert kept[3:] == [SEQUENCE + "GGGGGG", "MKTAYV" + "-" * 6, "MKTAYW" + "-" * 6]


def test_rows_are_limited():
    many = a3m(("q", SEQUENCE), *(("h", f"MKTAY{letter}") for letter in "ARNDCQEGHL"))
    assert len(msa(Protein(("A",), SEQUENCE, (), many, ""), msa_rows=5).rows) == 5


species = st.lists(
    st.lists(st.sampled_from(["", "HUMAN", "MOUSE", "YEAST", "ECOLI"]), max_size=8), min_size=2, max_size=4
)


@given(species, st.integers(1, 3))
def test_a_paired_row_is_of_one_species(names, per_species):
    names = [["", *rows] for rows in names]
    places = paired_places(names, 100, per_species)
    assert (places[0] == 0).all() and places.shape[1] == len(names)
    for row in places[1:]:
        found = {names[chain][place] for chain, place in enumerate(row) if place >= 0}
        assert len(found) == 1 and found != {""} and (row >= 0).sum() > 1
    chains = [(row >= 0).sum() for row in places[1:]]
    assert chains == sorted(chains, reverse=True)
    for chain in range(len(names)):
        used = [place for place in places[1:, chain] if place >= 0]
        assert len(used) == len(set(used))


def test_very_deep_pairings_keep_their_order():
    names = [["", *(f"S{row}" for row in range(3000))] for _ in range(14)]
    places = paired_places(names, 8192, 600)
    assert (np.diff(places[1:, 0]) > 0).all()  # products of places are beyond single precision here


@pytest.mark.parametrize(
    ("unpaired", "message"),
    [
        (a3m(("q", "MKTAYV")), "unpaired MSA of chain A: the first row is MKTAYV"),
        (a3m(("q", "MKT")), "unpaired MSA of chain A: it has 3 columns, the chain has 6 residues"),
        (a3m(("q", SEQUENCE), ("h", "MK")), "unpaired MSA of chain A: row 2"),
    ],
)
def test_alignments_that_do_not_fit(unpaired, message):
    with pytest.raises(ValueError, match=message):
        msa(Protein(("A",), SEQUENCE, (), unpaired, ""))


def test_letters_of_every_kind():
    assert encoding("protein")[ord("B")] == 3 and encoding("protein")[ord("J")] == UNKNOWN
    assert encoding("dna")[ord("T")] == 29 and encoding("rna")[ord("T")] == 25 and encoding("ligand")[ord("-")] == GAP


def test_rows_are_paired_by_taxon_as_protenix_pairs_them(root):
    with gzip.open(root / "tests/goldens/pairing/protenix_7wux.json.gz", "rt") as file:
        golden = json.load(file)
    species = [parse_a3m("".join(f">{name}\nM\n" for name in names)).species() for names in golden["names"]]
    assert paired_places(species, 8192, 600).tolist() == golden["rows"]


def test_real_alignments_are_paired_by_taxon(shared):
    texts = [read_text(shared / f"data/msas/protenix__7wux__{chain}__pairing.a3m.gz") for chain in (1, 2)]
    proteins = [
        Protein((name,), text.split("\n")[1], unpaired_msa="", paired_msa=text)
        for name, text in zip("AB", texts, strict=True)
    ]
    found = msa(*proteins)
    width = len(proteins[0].sequence)
    assert len(found.rows) == 108
    assert all((found.rows[:, part] != GAP).any(axis=1).all() for part in (slice(width), slice(width, None)))
