"""What is new in an evaluation set, and what is taken of it."""

from collections import Counter

import pytest
from rdkit.Chem import MolFromSmiles
from rdkit.Chem.rdFingerprintGenerator import GetMorganGenerator
from rdkit.DataStructs import TanimotoSimilarity

from alphafold3_pytorch.curation.clusters import cluster_entries, whole
from alphafold3_pytorch.curation.homology import (
    SAMPLED,
    Limits,
    alike_ligands,
    compare,
    fingerprint,
    low_homology,
    sample,
)
from alphafold3_pytorch.curation.mmseqs import find_tool
from tests.curation.sets import RECORDED, described, needs_mmseqs, proteins

LYSOZYME, MUTANT, OTHER = (f"protein:{proteins()[place]}" for place in (1, 2, 10))


def test_fingerprints_are_those_of_the_smiles():
    smiles = {"BEN": "NC(=N)c1ccccc1", "GOL": "OCC(O)CO", "PMP": "Cc1ncc(COP(O)(O)=O)c(CN)c1O"}
    make = GetMorganGenerator(radius=2, fpSize=2048).GetFingerprint
    for code, text in smiles.items():
        mine = fingerprint(code)
        assert mine is not None and TanimotoSimilarity(mine, make(MolFromSmiles(text))) == 1
    assert fingerprint("UNL") is None and fingerprint("nowhere") is None


def test_ligands_are_alike_by_fingerprint_or_code():
    found = alike_ligands(["ATP", "NAG_BMA", "UNL", "HEM"], ["ATP", "NAG", "UNL", "GOL"], 0.85)
    assert found == {"ATP": {"ATP"}, "NAG_BMA": {"NAG"}, "UNL": {"UNL"}, "HEM": frozenset()}
    assert alike_ligands(["ATP"], ["ADP"], 0.5)["ATP"] == {"ADP"}
    assert alike_ligands([], [], 0.5) == {}


def new(entry, *reference):
    """Letters of the new chains of an entry, and its new interfaces."""
    kept = low_homology([entry], compare([entry], reference, RECORDED, Limits(), 1))
    return [("".join("ABCD"[place] for place in sorted(each.chains)), each.interfaces) for each in kept]


def test_an_interface_is_known_when_one_entry_has_both_of_its_chains():
    complex = described("1new", LYSOZYME, "ligand:ATP", pairs=((0, 1),))
    assert new(complex) == [("AB", ((0, 1),))]
    assert new(complex, described("1old", LYSOZYME, "ligand:ATP")) == []
    assert new(complex, described("1old", LYSOZYME), described("2old", "ligand:ATP")) == [("", ((0, 1),))]
    assert new(complex, described("1old", LYSOZYME)) == [("B", ((0, 1),))]


def test_a_homodimer_is_known_from_two_chains_of_one_entry():
    dimer = described("1new", LYSOZYME, LYSOZYME, pairs=((0, 1),))
    assert new(dimer, described("1old", LYSOZYME)) == [("", ((0, 1),))]
    assert new(dimer, described("1old", LYSOZYME), described("2old", LYSOZYME)) == [("", ((0, 1),))]
    assert new(dimer, described("1old", LYSOZYME, LYSOZYME)) == []


def test_interfaces_of_branched_ligands_are_not_scored():
    glycan = described("1new", OTHER, "ligand:NAG_NAG", "ligand:NAG", pairs=((0, 1), (0, 2)))
    assert new(glycan) == [("ABC", ((0, 2),))]


@pytest.mark.slow
@needs_mmseqs
def test_homology_counts_beyond_identity():
    entries = [described("1new", LYSOZYME, OTHER, pairs=((0, 1),))]
    known = compare(entries, [described("1old", MUTANT, OTHER)], find_tool(), Limits(), 1)
    assert known.alike["protein", proteins()[1]] == {proteins()[2]}
    assert low_homology(entries, known) == []


def test_of_many_clusters_the_numbers_of_the_paper_are_taken():
    monomers = [described(f"m{n}", f"protein:{'A' * (20 + n)}") for n in range(100)]
    rna = [described(f"r{n}", f"rna:{'A' * (20 + n)}") for n in range(60)]
    bound = [described(f"d{n}", f"dna:{'A' * n}", "ligand:ATP", pairs=((0, 1),)) for n in range(1, 90)]
    twins = [described(f"t{n}", f"dna:{'A' * n}", "ligand:ATP", pairs=((0, 1),)) for n in range(1, 90)]
    entries = [*monomers, *rna, *bound, *twins]
    clusters = cluster_entries(entries, RECORDED, 1)
    selected = [whole(entry) for entry in entries]
    taken = sample(selected, clusters, 0)
    counts = Counter(each.entry.id[0] for each in taken)
    assert counts["m"] == SAMPLED["protein",] and counts["r"] == 60
    # Entries with DNA alone beside a ligand are monomers of DNA too, and all of these are taken.
    assert counts["d"] == counts["t"] == 89
    assert taken == sample(selected, clusters, 0) != sample(selected, clusters, 1)


@pytest.mark.parametrize("count", [0, 1, 700])
def test_fewer_clusters_than_wanted_are_all_taken(count):
    pairs = ((0, 1),)
    dimers = [described(f"p{n}", f"protein:{'A' * (n + 10)}", "peptide:ACD", pairs=pairs) for n in range(count)]
    clusters = cluster_entries(dimers, RECORDED, 1)
    assert len(sample([whole(entry) for entry in dimers], clusters, 0)) == min(count, 600)
