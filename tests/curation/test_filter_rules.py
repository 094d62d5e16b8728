"""Every rule on an entry of the PDB that it changes and on one that it leaves as it is."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from alphafold3_pytorch.chem import cif
from alphafold3_pytorch.curation import cleaning, ligand_fit, parts, targets
from alphafold3_pytorch.curation.close import shares_inside
from alphafold3_pytorch.curation.codes import CRYSTALLISATION_AIDS, EXCLUDED_LIGANDS
from alphafold3_pytorch.curation.filters import filter_entry
from alphafold3_pytorch.curation.policy import TEST, TRAINING, VALIDATION
from alphafold3_pytorch.features.tokens import tokenize
from alphafold3_pytorch.structure.mmcif import Entry, read_entry


@cache
def entry_of(shared: Path, name: str) -> Entry:
    path = shared / "data" / "structures" / f"{name}.cif.gz"
    if not path.is_file():
        pytest.skip(f"{path.name} is not in the reference data")
    return read_entry(path)


@pytest.fixture
def read(shared):
    return lambda name: entry_of(shared, name)


def chain_ids(entry: Entry) -> list[str]:
    return [chain.id for chain in entry.structure.chains]


def ligands(entry: Entry) -> list[str]:
    return sorted(code for chain in entry.structure.chains if not chain.is_polymer for code in chain.residues)


def names(entry: Entry, chain: str) -> set[str]:
    structure = entry.structure
    return set(structure.names[structure.chain == chain_ids(entry).index(chain)].tolist())


def test_release_date(read):
    entry = read("6lu7")  # 2020-02-05
    assert targets.release_date(entry, TRAINING) == ""
    assert "2021-10-01 to 2023-01-13" in targets.release_date(entry, VALIDATION)
    assert "is known" in targets.release_date(replace(entry, released=""), TRAINING)
    last_day = replace(entry, released="2021-09-30")
    assert not targets.release_date(last_day, TRAINING) and targets.release_date(last_day, VALIDATION)


def test_method(read):
    solution, crystal = read("1l2y"), read("6lu7")
    assert "NMR" in targets.method(solution, TEST) and not targets.method(solution, VALIDATION)
    assert not targets.method(crystal, TEST)


def test_resolution(read):
    fibre, crystal = read("1m4x"), read("6lu7")  # 28 Å by electron microscopy, 2.16 Å
    assert "28.0 Å, the limit is 9.0" in targets.resolution(fibre, TRAINING)
    assert not targets.resolution(crystal, TEST)
    assert "no resolution" in targets.resolution(read("1l2y"), TRAINING)  # NMR
    at_limit = replace(crystal, resolution=4.5)
    assert not targets.resolution(at_limit, VALIDATION) and "below" in targets.resolution(at_limit, TEST)


def test_polymer_chains(read):
    entry = read("4hhb")  # four
    assert not targets.polymer_chains(entry, TRAINING)
    assert "4 polymer chains, the limit is 3" in targets.polymer_chains(entry, replace(TRAINING, polymer_chains=3))
    assert (TRAINING.polymer_chains, TEST.polymer_chains) == (300, 1000)


def test_tokens(read):
    large, small = read("6x79"), read("5i55")  # a spike with glycans
    assert targets.tokens(large, VALIDATION) and not targets.tokens(large, TRAINING)
    assert not targets.tokens(small, VALIDATION)
    exactly = replace(TEST, tokens=parts.token_count(small.structure))
    assert targets.tokens(small, exactly) and not targets.tokens(small, replace(exactly, exclusive=False))


@pytest.mark.parametrize("name", ["5i55", "1ehz", "101m", "100d", "1a4w"])
def test_tokens_are_counted_as_they_are_made(read, name):
    structure = read(name).structure
    unseen = int((parts.resolved(structure) == 0).sum())
    assert parts.token_count(structure) - unseen == len(tokenize(structure))


def test_nothing_but_ligands_is_nothing(read):
    entry = read("5i55")
    assert not targets.polymers_left(entry, TRAINING)
    without = parts.without_chains(entry, parts.is_polymer(entry.structure))
    assert "no polymer" in targets.polymers_left(without, TRAINING)


def test_selenomethionine(read):
    entry = read("5i55")
    done = cleaning.selenomethionine(entry, TRAINING)
    place = entry.structure.chains[0].residues.index("MSE")
    assert done.structure.chains[0].residues[place] == "MET"
    changed = entry.structure.names != done.structure.names
    assert entry.structure.names[changed].tolist() == ["SE"] and done.structure.names[changed].tolist() == ["SD"]
    assert done.structure.elements[changed].tolist() == [16]
    assert np.array_equal(entry.structure.positions, done.structure.positions)
    left = read("101m")
    assert cleaning.selenomethionine(left, TRAINING).structure.chains == left.structure.chains


def arginine_distances(entry: Entry, name: str) -> np.ndarray:
    structure = entry.structure
    pairs = []
    for chain, place, rows in structure.residues():
        atoms = dict(zip(structure.names[rows].tolist(), structure.positions[rows], strict=True))
        if chain.residues[place] == "ARG" and {"CD", "NH1", "NH2"} <= atoms.keys():
            pairs.append(np.linalg.norm(atoms[name] - atoms["CD"]))
    return np.array(pairs)


def test_arginine(read):
    entry, left = read("3gv6"), read("101m")
    assert (arginine_distances(entry, "NH1") > arginine_distances(entry, "NH2")).sum() == 3
    done = cleaning.arginine(entry, TRAINING)
    assert (arginine_distances(done, "NH1") < arginine_distances(done, "NH2")).all()
    positions = [sorted(map(tuple, made.structure.positions.tolist())) for made in (entry, done)]
    assert positions[0] == positions[1]
    again = cleaning.arginine(done, TRAINING)
    assert np.array_equal(again.structure.positions, done.structure.positions)
    assert (arginine_distances(left, "NH1") < arginine_distances(left, "NH2")).all()
    assert np.array_equal(cleaning.arginine(left, TRAINING).structure.positions, left.structure.positions)


def test_short_chains(read):
    entry, left = read("2x1f"), read("100d")
    gone = set(chain_ids(entry)) - set(chain_ids(cleaning.short_chains(entry, TRAINING)))
    assert gone
    for number, chain in enumerate(entry.structure.chains):
        seen = len(np.unique(entry.structure.residue[entry.structure.chain == number]))
        assert (chain.id in gone) == (chain.is_polymer and seen < 4)
    assert chain_ids(cleaning.short_chains(left, TRAINING)) == chain_ids(left)


def test_unknown_chains(read):
    entry, left = read("3gnn"), read("100d")
    gone = set(chain_ids(entry)) - set(chain_ids(cleaning.unknown_chains(entry, TRAINING)))
    assert gone == {chain.id for chain in entry.structure.chains if set(chain.residues) == {"UNK"}} != set()
    assert cleaning.unknown_chains(left, TRAINING) is left


def test_of_two_bromides_at_one_place_the_larger_id_goes(read):
    entry = read("3r1e")
    gone = set(chain_ids(entry)) - set(chain_ids(cleaning.clashing_chains(entry, TRAINING)))
    assert gone == {"E", "G"}
    left = read("4hhb")
    assert cleaning.clashing_chains(left, TRAINING) is left


def test_shares_inside_are_those_of_all_distances(read):
    structure = read("3r1e").structure
    distances = np.linalg.norm(structure.positions[:, None] - structure.positions, axis=-1)
    expected = np.zeros((len(structure.chains), len(structure.chains)))
    for one in range(len(expected)):
        for other in set(range(len(expected))) - {one}:
            block = distances[structure.chain == one][:, structure.chain == other]
            expected[one, other] = (block < 1.7).any(axis=1).mean()
    assert expected.max() > 0.3
    np.testing.assert_allclose(shares_inside(structure, 1.7), expected)


def test_a_bond_is_no_clash(read):
    structure = read("1ncb").structure  # sugars on asparagines, 1.4 Å
    loose = replace(structure, bonds=np.zeros((0, 2), np.int64))
    extra = shares_inside(loose, 1.7) - shares_inside(structure, 1.7)
    chains = {frozenset(pair) for pair in structure.chain[structure.bonds].tolist()}
    assert extra.any() and {frozenset(pair) for pair in np.argwhere(extra > 0).tolist()} <= chains


def test_excluded_ligands(read):
    entry, left = read("1gzm"), read("4hhb")
    assert set(ligands(entry)) & EXCLUDED_LIGANDS and cleaning.excluded_ligands(entry, TRAINING) is entry
    assert not set(ligands(cleaning.excluded_ligands(entry, VALIDATION))) & EXCLUDED_LIGANDS
    assert ligands(cleaning.excluded_ligands(left, VALIDATION)).count("HEM") == 4


def test_foreign_atoms(read):
    entry, left = read("3ek3"), read("4hhb")  # an unknown ligand, UNL
    done = cleaning.foreign_atoms(entry, TRAINING)
    assert "UNL" in ligands(entry) and "UNL" not in ligands(done)
    assert cleaning.foreign_atoms(left, TRAINING) is left
    other_code = read("7fgz")  # 7ZTVU is in no dictionary
    assert "7ZTVU" in ligands(other_code) and "7ZTVU" not in ligands(cleaning.foreign_atoms(other_code, TRAINING))


def test_leaving_atoms(read):
    entry, left = read("1gzm"), read("5b59")
    done = cleaning.leaving_atoms(entry, TRAINING)
    assert "O1" in names(entry, "H") and names(entry, "H") - names(done, "H") == {"O1"}  # palmitic acid on cysteine
    assert cleaning.leaving_atoms(left, TRAINING) is left


def test_broken_chains(read):
    entry = read("4hhb")
    assert cleaning.broken_chains(entry, TRAINING) is entry
    structure = entry.structure
    moved = structure.positions.copy()
    moved[(structure.chain == 1) & (structure.residue > 70)] += 30.0
    torn = replace(entry, structure=replace(structure, positions=moved))
    assert set(chain_ids(entry)) - set(chain_ids(cleaning.broken_chains(torn, TRAINING))) == {"B"}


def test_a_gap_in_what_was_seen_is_no_break(read):
    entry = read("4hhb")
    structure = entry.structure
    unseen = (structure.chain == 1) & (structure.residue > 60) & (structure.residue < 100)
    assert cleaning.broken_chains(parts.with_atoms(entry, ~unseen), TRAINING).structure.chains == structure.chains


def test_distant_chains(read):
    entry, left = read("1xda"), read("4hhb")
    assert len(entry.structure.chains) > 20
    done = cleaning.distant_chains(entry, TRAINING)
    assert len(done.structure.chains) == 20
    assert chain_ids(done) == chain_ids(cleaning.distant_chains(entry, TRAINING))
    draws = {tuple(chain_ids(cleaning.distant_chains(entry, replace(TRAINING, seed=seed)))) for seed in range(8)}
    assert len(draws) > 1
    assert cleaning.distant_chains(left, TRAINING) is left


def test_the_nearest_chains_are_those_round_one_token(read):
    entry = read("1xda")
    kept = set(chain_ids(cleaning.distant_chains(entry, TRAINING)))
    positions, chain = parts.centres(entry.structure)
    distances = np.linalg.norm(positions[:, None] - positions, axis=-1)
    nearest = np.stack([distances[:, chain == number].min(axis=1) for number in range(len(entry.structure.chains))], 1)
    ids = np.array(chain_ids(entry))
    near_other = (np.where(chain[:, None] == chain, np.inf, distances) < 15).any(axis=1)
    choices = [set(ids[np.argsort(row, kind="stable")[:20]].tolist()) for row in nearest[near_other]]
    assert kept in choices


def test_crystallisation_aids(read):
    entry = read("5i55")
    aids = set(ligands(entry)) & CRYSTALLISATION_AIDS
    assert aids and not set(ligands(cleaning.crystallisation_aids(entry, TRAINING))) & CRYSTALLISATION_AIDS
    by_microscope = replace(entry, method="ELECTRON MICROSCOPY")
    assert cleaning.crystallisation_aids(by_microscope, TRAINING) is by_microscope


def test_incomplete_ligands(read):
    entry = read("4hhb")
    assert ligands(cleaning.incomplete_ligands(entry, TEST)).count("HEM") == 4
    structure = entry.structure
    haem = np.flatnonzero(structure.names == "FE")
    part = parts.with_atoms(entry, ~np.isin(np.arange(len(structure)), haem[:1]))
    assert ligands(cleaning.incomplete_ligands(part, TEST)).count("HEM") == 3
    assert ligands(cleaning.incomplete_ligands(part, replace(TEST, completeness=0.9))).count("HEM") == 4


def test_poorly_seen_ligands(read):
    entry = read("4hhb")
    haem = [chain.id for chain in entry.structure.chains if chain.residues == ("HEM",)]
    rows = "\n".join(f"{number} {chain}" for number, chain in enumerate(["A", *haem]))
    values = "\n".join(f"{number} {value}" for number, value in enumerate([0.3, 0.95, 0.79, "?"]))
    text = (
        f"data_x\nloop_\n_pdbx_vrpt_model_instance.id\n_pdbx_vrpt_model_instance.label_asym_id\n{rows}\n#\n"
        "loop_\n_pdbx_vrpt_model_instance_density.instance_id\n_pdbx_vrpt_model_instance_density.RSRCC\n"
        f"{values}\n"
    )
    fits = ligand_fit.correlations(cif.read(text)[0])
    assert fits == {"A": 0.3, haem[0]: 0.95, haem[1]: 0.79}
    gone = set(chain_ids(entry)) - set(chain_ids(ligand_fit.poorly_seen_ligands(entry, TEST, fits)))
    assert gone == {haem[1]}
    assert ligand_fit.poorly_seen_ligands(entry, TEST, {}) is entry


def test_waters_hydrogens_and_other_locations_are_gone(read):
    structure = read("5pny").structure
    assert "HOH" not in ligands(read("5pny")) and (structure.elements != 1).all()
    keys = list(zip(structure.residue_keys.tolist(), structure.names.tolist(), strict=True))
    assert len(keys) == len(set(keys))


def test_atoms_that_stay_are_not_touched(read):
    entry = read("1gzm")
    cleaned, _, reason, changes = filter_entry(entry, TRAINING)
    before, after = (
        {
            (c.id, int(r), n): p
            for c, r, n, p in zip(chains, s.residue, s.names.tolist(), s.positions.tolist(), strict=True)
        }
        for s in (cleaning.arginine(entry, TRAINING).structure, cleaned.structure)
        for chains in [[s.chains[number] for number in s.chain.tolist()]]
    )
    assert not reason and len(after) == len(before) - sum(atoms for rule, atoms, _ in changes if rule != "arginine")
    assert after.items() <= before.items()


def test_lists_of_the_supplement():
    assert len(CRYSTALLISATION_AIDS) == 16 and len(EXCLUDED_LIGANDS) == 131
