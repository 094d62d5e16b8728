"""A prediction against the truth: what must be perfect, what must not matter, and what other programs say."""

from dataclasses import replace

import biotite.structure as biotite
import numpy as np
import pytest

from alphafold3_pytorch.chem.residues import LIGAND
from alphafold3_pytorch.evaluate.compare import compare
from alphafold3_pytorch.evaluate.confidences import Confidences
from alphafold3_pytorch.structure.mmcif import read_entry
from alphafold3_pytorch.structure.table import Chain
from tests.evaluate.structures import WAVES, bent, codes_of, entry, reordered, trimer, turned, with_positions, without

PERFECT = {"coverage": 1, "lddt": 1, "lddt_trace": 1, "rmsd": 0, "tm": 1, "gdt_ts": 1, "gdt_ha": 1, "ilddt": 1}
PERFECT_DOCKING = PERFECT | {"dockq": 1, "lddt_pli": 1, "ligand_rmsd": 0}


def numbers(scored, names):
    return {name: getattr(scored.row, name) for name in names}


def perfect(scored, wanted=PERFECT_DOCKING):
    assert numbers(scored, wanted) == pytest.approx(wanted, abs=1e-6)
    assert (scored.row.chains_missing, scored.row.chains_extra) == ("", "")


@pytest.mark.parametrize("name", ["124d", "1crn", "5i55"])
def test_a_structure_equals_itself(name):
    truth = entry(name)
    scored = compare(truth, truth)
    wanted = {key: PERFECT[key] for key in PERFECT if not (name == "1crn" and key == "ilddt")}
    perfect(scored, wanted)
    assert scored.row.problems == 0 and scored.row.valid


@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4, 5], [1, 2, 0, 5, 3, 4], [2, 1, 0, 4, 3, 5]])
def test_neither_place_nor_names_nor_order_of_chains_matter(order):
    truth = trimer()
    model = reordered(turned(truth), order, "PQRSTU")
    scored = compare(model, truth)
    perfect(scored)
    assert {row.chain: row.predicted_chain for row in scored.chains} == {
        truth.chains[number].id: "PQRSTU"[place] for place, number in enumerate(order) if number < 3
    }


def test_scores_do_not_depend_on_the_order_of_copies():
    truth = trimer()
    wanted = numbers(compare(bent(truth, 1.0), truth), PERFECT_DOCKING)
    moved = turned(reordered(bent(truth, 1.0), [2, 0, 1, 4, 5, 3]))
    assert numbers(compare(moved, truth), PERFECT_DOCKING) == pytest.approx(wanted, abs=2e-3)


def swapped(truth, code, pairs):
    """With the positions of the two atoms of each pair exchanged in all residues of a kind."""
    positions, mine = truth.positions.copy(), codes_of(truth) == code
    for pair in pairs:
        first, second = (np.flatnonzero(mine & (truth.names == name)) for name in pair)
        assert len(first)
        positions[first], positions[second] = truth.positions[second], truth.positions[first]
    return with_positions(truth, positions)


@pytest.mark.parametrize(
    ("code", "pairs"),
    [
        ("ASP", [("OD1", "OD2")]),
        ("GLU", [("OE1", "OE2")]),
        ("TYR", [("CD1", "CD2"), ("CE1", "CE2")]),
        ("PHE", [("CD1", "CD2"), ("CE1", "CE2")]),
    ],
)
def test_names_that_mean_nothing_are_swapped(code, pairs):
    truth = entry("1crn")
    assert compare(swapped(truth, code, pairs), truth).row.lddt == 1.0


def test_names_that_mean_something_are_not():
    """CG1 and CG2 of valine follow from the hand of CB."""
    truth = entry("1crn")
    assert compare(swapped(truth, "VAL", [("CG1", "CG2")]), truth).row.lddt < 1.0


def test_another_construct_is_aligned():
    """A tag before the chain, and other numbers."""
    truth = entry("1crn")
    [chain] = truth.chains
    model = replace(truth, chains=(replace(chain, residues=("GLY", "SER", "HIS", *chain.residues)),))
    model = replace(model, residue=truth.residue + 3)
    scored = compare(model, truth)
    perfect(scored, {key: PERFECT[key] for key in PERFECT if key != "ilddt"})
    assert scored.chains[0].identity == 1.0


def test_what_is_not_predicted_scores_nothing():
    truth = entry("1crn")
    scored = compare(without(truth, truth.residue >= 23), truth)
    assert scored.row.coverage == pytest.approx((truth.residue < 23).mean())
    assert scored.row.gdt_ts == pytest.approx(0.5) and 0.2 < scored.row.lddt < 0.5 and scored.row.rmsd < 1e-6


def test_what_is_not_resolved_does_not_count():
    model = entry("1crn")
    scored = compare(model, without(model, model.residue >= 23))
    assert numbers(scored, ["coverage", "lddt", "tm"]) == pytest.approx({"coverage": 1, "lddt": 1, "tm": 1})


def test_chains_without_a_counterpart_are_named():
    whole = trimer()
    few = reordered(whole, [0, 1, 3])
    assert compare(few, whole).row.chains_missing.count(",") == 2
    assert "SO4" in compare(whole, few).row.chains_extra
    with pytest.raises(ValueError, match="no chain of the prediction is one of the reference"):
        compare(entry("1crn"), entry("124d"))


@pytest.mark.parametrize("kept", [[0, 1], [1, 2], [0, 2]])
def test_the_right_copies_are_taken(kept):
    """Of three copies that are predicted two are in the reference."""
    scored = compare(trimer(), reordered(trimer(), kept))
    assert [row.predicted_chain for row in scored.chains] == ["ABC"[number] for number in kept]
    assert scored.row.lddt == 1.0


# Beside other programs


def shaken(structure):
    rng = np.random.default_rng(0)
    return with_positions(structure, structure.positions + rng.normal(size=(len(structure), 3)))


def atom_array(structure):
    array = biotite.AtomArray(len(structure))
    array.coord, array.res_id, array.chain_id = structure.positions, structure.residue_keys, structure.chain.astype(str)
    return array


def test_lddt_is_that_of_biotite():
    """Where no atom has an arbitrary name; where some have it can only be better."""
    truth = entry("124d")
    model = shaken(truth)
    found = biotite.lddt(atom_array(truth), np.array(model.positions, np.float32))
    assert compare(model, truth).row.lddt == pytest.approx(found, abs=1e-4)


def test_lddt_of_chains_and_interfaces_is_that_of_biotite():
    truth = reordered(trimer(), [0, 1, 2])
    truth = without(truth, np.isin(codes_of(truth), ["GLU", "ASP", "TYR", "PHE"]))
    model = shaken(truth)
    scored, array, source = compare(model, truth), atom_array(truth), np.array(model.positions, np.float32)
    mine = {chain.id: truth.chain == number for number, chain in enumerate(truth.chains)}
    for row in scored.chains:
        within = biotite.lddt(array, source, atom_mask=mine[row.chain], partner_mask=mine[row.chain])
        assert row.lddt == pytest.approx(within, abs=1e-4)
    for row in scored.interfaces:
        first, second = (mine[chain] for chain in row.chains.split("-"))
        between = biotite.lddt(array, source, atom_mask=first, partner_mask=second)
        assert row.ilddt == pytest.approx(between, abs=1e-4)
    assert len(scored.chains) == 3 and len(scored.interfaces) == 3


# DockQ 2.1.3, on PDB files of both structures: iRMSD, LRMSD, fnat, fnonnat, DockQ.
DOCKQ = {
    ("4dme", 0.5): {
        "A-B": (0.460, 0.544, 1.0, 0.0, 0.970),
        "A-C": (0.539, 0.873, 0.805, 0.0, 0.893),
        "B-C": (0.456, 0.690, 0.912, 0.0, 0.940),
    },
    ("4dme", 2.0): {
        "A-B": (1.857, 2.187, 0.647, 0.214, 0.660),
        "A-C": (2.160, 3.528, 0.171, 0.0, 0.450),
        "B-C": (1.825, 2.806, 0.618, 0.276, 0.641),
    },
    ("124d", 4.0): {"A-B": (4.263, 6.905, 0.682, 0.118, 0.465)},
}


@pytest.mark.parametrize(("name", "size"), DOCKQ)
def test_dockq_is_that_of_dockq(name, size):
    truth = trimer() if name == "4dme" else entry(name)
    rows = [row for row in compare(bent(truth, size), truth).interfaces if row.dockq == row.dockq]
    found = {row.chains: (row.irmsd, row.lrmsd, row.fnat, row.fnonnat, row.dockq) for row in rows}
    assert found.keys() == DOCKQ[name, size].keys()
    for chains, values in found.items():
        assert values == pytest.approx(DOCKQ[name, size][chains], abs=1.1e-3)


# TMscore of 2019/8/22: RMSD, TM-score, GDT-TS, GDT-HA of crambin, bent.
TMSCORE = {
    0.5: (0.463, 0.9540, 1.0000, 0.9348),
    1.0: (0.927, 0.8425, 0.9402, 0.7500),
    2.0: (1.858, 0.6004, 0.7500, 0.5217),
    4.0: (3.727, 0.3147, 0.5163, 0.2772),
}


@pytest.mark.parametrize("size", TMSCORE)
def test_global_scores_are_those_of_tmscore(size):
    """Which looks for the best superposition too: neither finds it always."""
    row = compare(bent(entry("1crn"), size), entry("1crn")).row
    rmsd, *others = TMSCORE[size]
    assert row.rmsd == pytest.approx(rmsd, abs=1e-3)
    for found, other in zip((row.tm, row.gdt_ts, row.gdt_ha), others, strict=True):
        assert other - 0.002 < found < other + 0.02


# Ligands


def test_ligands_are_compared_in_their_pockets():
    truth = trimer()
    polymers = np.isin(truth.chain, [0, 1, 2])
    shifted = truth.positions + np.where(polymers, 0.0, 1.0)[:, None] * [1.5, 0, 0]
    scored = compare(turned(with_positions(truth, shifted)), truth)
    assert [row.codes for row in scored.ligands] == ["SO4"] * 3
    # The four oxygens may be named in the way that suits best, so the RMSD is at most the shift.
    assert all(1.0 < row.rmsd <= 1.5 + 1e-6 for row in scored.ligands if row.pocket)
    assert all(row.lddt_pli < 1 for row in scored.ligands) and scored.row.lddt_pli < 0.9


# peppr 0.13.1, means over ligands: BiSyRMSD, LDDT-PLI.
PEPPR = {"3nzd": (1.2740, 0.8054), "4l8m": (1.2495, 0.7806)}


@pytest.mark.parametrize("name", PEPPR)
def test_poses_are_scored_as_by_peppr(shared, name):
    truth = read_entry(shared / "data" / "structures" / f"{name}.cif.gz").structure
    centred = truth.positions - truth.positions.mean(axis=0)
    ligands = np.array([not chain.is_polymer for chain in truth.chains])[truth.chain]
    moved = truth.positions + 0.8 * np.sin(centred @ WAVES) + ligands[:, None] * [1, 0.5, 0]
    row = compare(with_positions(truth, moved), truth).row
    assert (row.ligand_rmsd, row.lddt_pli) == pytest.approx(PEPPR[name], abs=1e-3)


def test_a_ligand_is_found_by_its_bonds():
    """Under another code and other names, as a SMILES gives, and in another order of atoms."""
    truth = entry("5i55")
    number = next(n for n, c in enumerate(truth.chains) if c.kind == LIGAND and (truth.chain == n).sum() > 6)
    rows = np.flatnonzero(truth.chain == number)
    component = truth.components[truth.chains[number].residues[0]]
    names = {name: f"Q{place}" for place, name in enumerate(component.names)}
    renamed = replace(component, code="LIG_X", names=tuple(names.values()))
    chains = list(truth.chains)
    chains[number] = Chain("X", LIGAND, ("LIG_X",))
    order = np.arange(len(truth))
    order[rows] = rows[::-1]
    columns = {key: getattr(truth, key)[order] for key in "chain residue elements charges positions".split()}
    texts = np.array([names[n] if k in rows else n for k, n in enumerate(truth.names)])[order]
    own = type(truth.components)({**truth.components.own, "LIG_X": renamed})
    place = np.argsort(order)
    model = replace(truth, chains=tuple(chains), names=texts, components=own, bonds=place[truth.bonds], **columns)
    row = next(row for row in compare(model, truth).ligands if row.predicted_chain == "X")
    assert row.rmsd == pytest.approx(0, abs=1e-6) and row.lddt_pli == 1.0


def test_confidence_of_the_pair_goes_with_the_interface():
    truth = trimer()
    judged = Confidences(0.9, iptm=0.8, pairs={("A", "B"): 0.7, ("B", "C"): 0.6, ("D", "A"): 0.5, ("D", "B"): 0.9})
    scored = compare(truth, truth, judged)
    iptms = {row.chains: row.iptm for row in scored.interfaces}
    assert iptms["A-B"] == 0.7 and iptms["B-C"] == 0.6 and np.isnan(iptms["A-C"])
    assert (scored.row.ranking_score, scored.row.iptm) == (0.9, 0.8)
    assert {row.chain: row.iptm for row in scored.ligands}["D"] == 0.9


def test_impossible_chemistry_is_counted():
    truth = entry("5i55")
    mirrored = compare(with_positions(truth, truth.positions * [1, 1, -1]), truth)
    assert mirrored.geometry.found["chirality"] > 15 and not mirrored.row.valid
    assert mirrored.row.bond_rmsd == pytest.approx(compare(truth, truth).row.bond_rmsd)


def test_bonds_near_their_ideal_lengths_are_counted():
    truth = entry("5i55")
    assert compare(truth, truth).row.bonds_close > 0.98
    stretched = compare(with_positions(truth, truth.positions * 1.04), truth).row  # by 0.05 to 0.07 Å
    assert stretched.bonds_close > 0.95 and stretched.bond_rmsd > 0.05
    assert compare(with_positions(truth, truth.positions * 1.1), truth).row.bonds_close < 0.05


def test_real_complexes(shared):
    """A whole entry with many ligands against itself, its chains in another order."""
    truth = read_entry(shared / "data" / "structures" / "2q2k.cif.gz").structure
    order = list(range(len(truth.chains)))[::-1]
    perfect(compare(turned(reordered(truth, order)), truth))
