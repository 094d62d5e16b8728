"""The chemistry check against molecules whose faults are known: made here, one at a time."""

from dataclasses import replace

import numpy as np
import pytest

from alphafold3_pytorch.chem.ccd import component
from alphafold3_pytorch.predict.chemistry import KINDS, LARGEST_PENALTY, Chemistry, check, penalty
from alphafold3_pytorch.predict.chemistry.problems import LISTED, Finding
from alphafold3_pytorch.structure.table import Chain, Structure
from tests.predict.chemistry_samples import atom, drawn, embedded, moved, only, placed, swapped

AMINO_ACIDS = "ALA ARG ASN ASP CYS GLN GLU GLY HIS ILE LEU LYS MET PHE PRO SER THR TRP TYR VAL".split()
NUCLEOTIDES = "A C G U DA DC DG DT".split()
OTHERS = "DAL MSE SEP HYP NAG BMA FUC ATP NAD FAD HEM SF4 CLR STI RET B12 CLA ZN CL PST INS SRT GS".split()


def kinds(chemistry: Chemistry) -> dict[str, int]:
    return {kind: count for kind, count in chemistry.found.items() if count}


def texts(chemistry: Chemistry) -> list[str]:
    return [problem.text for problem in chemistry.problems]


@pytest.mark.parametrize("code", AMINO_ACIDS + NUCLEOTIDES + OTHERS)
def test_the_dictionary_draws_possible_molecules(code):
    chemistry = check(drawn(code))
    assert not chemistry.problems
    assert chemistry.penalty == 0
    assert set(chemistry.found) == set(chemistry.checked) == set(KINDS)


@pytest.mark.parametrize("code", [*AMINO_ACIDS, *NUCLEOTIDES, "NAG", "ATP", "CLR", "FAD", "INS", "PST"])
def test_a_mirror_image_has_every_hand_wrong_and_nothing_else(code):
    """Unless it is the same molecule, as of inositol."""
    structure = drawn(code)
    chemistry = check(replace(structure, positions=structure.positions * [1, 1, -1]))
    centres = 0 if code == "INS" else chemistry.checked["chirality"]
    assert kinds(chemistry) == ({"chirality": centres} if centres else {})
    assert code in ("GLY", "INS") or centres


@pytest.mark.parametrize(
    ("code", "pairs", "text"),
    [
        ("THR", [("OG1", "CG2")], "the CB of THR 1 in chain A has the wrong hand (S instead of R)"),
        ("VAL", [("N", "C"), ("O", "OXT")], "the CA of VAL 1 in chain A has the wrong hand (D instead of L)"),
        ("DAL", [("N", "C")], "the CA of DAL 1 in chain A has the wrong hand (L instead of D)"),
    ],
)
def test_one_inverted_centre_is_named(code, pairs, text):
    structure = drawn(code)
    chemistry = check(swapped(structure, *((atom(structure, a), atom(structure, b)) for a, b in pairs)))
    assert text in texts(chemistry)
    assert chemistry.found["chirality"] == 1


def test_one_hand_of_an_amino_acid_is_not_that_of_its_mirror_image():
    """The dictionary's own D-alanine, under the name of the L form."""
    structure = replace(drawn("DAL"), chains=(Chain("A", "ligand", ("ALA",)),))
    (problem,) = check(structure).problems
    assert problem.text == "the CA of ALA 1 in chain A has the wrong hand (D instead of L)"
    assert problem.atoms == ("A:1:ALA:CA",)
    assert problem.value is not None and problem.expected is not None and problem.value * problem.expected < 0


def test_a_flat_centre_has_no_hand():
    structure = drawn("ALA")
    n, ca, c, cb = (structure.positions[atom(structure, name)] for name in ("N", "CA", "C", "CB"))
    normal = np.cross(n - c, cb - c) / np.linalg.norm(np.cross(n - c, cb - c))
    flat = moved(structure, {atom(structure, "CA"): normal * ((c - ca) @ normal)})
    assert "the CA of ALA 1 in chain A is flat, neither L nor D" in texts(check(flat))


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("A", ("OP1", "OP2")),
        ("VAL", ("CG1", "CG2")),
        ("LEU", ("CD1", "CD2")),
        ("ATP", ("O1A", "O2A")),
        ("ATP", ("O1B", "O2B")),
        ("ATP", ("O1G", "O3G")),
        ("ASP", ("OD1", "OD2")),
        ("ARG", ("NH1", "NH2")),
    ],
)
def test_names_are_no_stereochemistry(code, names):
    structure = drawn(code)
    assert not check(swapped(structure, tuple(atom(structure, name) for name in names))).problems


def test_a_phosphorothioate_has_a_hand():
    """In a chain, where an oxygen of the residue before has taken the place of OP3."""
    codes = ("GS", "HOH")
    pair = placed([(component(code), component(code).ideal) for code in codes])
    leaving, oxygen = atom(pair, "OP3"), atom(pair, "O", chain=1)
    pair = moved(pair, {oxygen: pair.positions[leaving] - pair.positions[oxygen]})
    pair = replace(pair, bonds=np.array([[atom(pair, "P"), oxygen]]))
    assert check(pair).checked["chirality"] == 3  # of the sugar
    pair = only(pair, np.arange(len(pair)) != leaving)
    assert check(pair).checked["chirality"] == 4 and not check(pair).found["chirality"]
    assert check(swapped(pair, (atom(pair, "OP1"), atom(pair, "S2P")))).found["chirality"] == 1


def test_a_meso_form_may_have_its_halves_swapped():
    structure = drawn("SRT")  # (2S,3R)-tartaric acid
    halves = [("C1", "C4"), ("C2", "C3"), ("O1", "O4"), ("O11", "O41"), ("O2", "O3")]
    assert not check(swapped(structure, *((atom(structure, a), atom(structure, b)) for a, b in halves))).problems
    one = swapped(structure, (atom(structure, "O2"), atom(structure, "C1")))
    assert check(one).found["chirality"] == 1


@pytest.mark.parametrize(
    ("given", "shape", "found"),
    [
        ("C[C@H](N)C(=O)O", "C[C@@H](N)C(=O)O", {"chirality": 1}),
        ("C[C@H](N)C(=O)O", "C[C@H](N)C(=O)O", {}),
        ("CC(N)C(=O)O", "C[C@@H](N)C(=O)O", {}),
        ("C/C=C/Cl", "C/C=C\\Cl", {"double_bond": 1}),
        ("C/C=C/Cl", "C/C=C/Cl", {}),
        ("CC=CCl", "C/C=C\\Cl", {}),
        ("O=C1C[C@H](C)[C@@H](O)C1", "O=C1C[C@H](C)[C@H](O)C1", {"chirality": 1}),
        ("C/C(F)=N/O", "C/C(F)=N\\O", {"double_bond": 1}),
        ("C/C(N)=N/c1ccccc1", "C/C(N)=N\\c1ccccc1", {}),  # an amidine, whose double bond moves
        ("C[S@](=O)c1ccccc1", "C[S@@](=O)c1ccccc1", {"chirality": 1}),
    ],
)
def test_a_ligand_is_held_against_its_smiles(given, shape, found):
    assert kinds(check(embedded(given, shape))) == found


def test_a_bent_ring_is_named():
    structure = drawn("PHE")
    ring = structure.positions[[atom(structure, name) for name in ("CG", "CD1", "CD2")]]
    normal = np.cross(ring[1] - ring[0], ring[2] - ring[0])
    bent = moved(structure, {atom(structure, "CZ"): 0.9 * normal / np.linalg.norm(normal)})
    chemistry = check(bent)
    assert kinds(chemistry) == {"planarity": 1}
    assert "aromatic ring" in texts(chemistry)[0] and "PHE 1 in chain A is bent" in texts(chemistry)[0]


@pytest.mark.parametrize(
    ("code", "name", "group"),
    [
        ("ASP", "CG", "carboxylate"),
        ("ARG", "CZ", "guanidinium group"),
        ("DG", "C8", "aromatic ring"),
        ("U", "C6", "aromatic ring"),
        ("ASN", "CG", "trigonal centre"),
        ("RET", "C11", "double bond"),
    ],
)
def test_flat_groups(code, name, group):
    structure = drawn(code)
    place = atom(structure, name)
    near = np.argsort(np.linalg.norm(structure.positions - structure.positions[place], axis=1))[1:3]
    normal = np.cross(*(structure.positions[near] - structure.positions[place]))
    chemistry = check(moved(structure, {place: 0.9 * normal / np.linalg.norm(normal)}))
    assert any(group in text for text in texts(chemistry))


def test_a_stretched_bond_is_named():
    structure = drawn("EOH")
    along = structure.positions[atom(structure, "C2")] - structure.positions[atom(structure, "C1")]
    chemistry = check(moved(structure, {atom(structure, "C2"): 0.6 * along / np.linalg.norm(along)}))
    assert chemistry.found["bond_length"] == 1
    length = np.linalg.norm(along)
    assert f"the bond C1-C2 of EOH 1 in chain A is {length + 0.6:.2f} Å long instead of {length:.2f} Å" in texts(
        chemistry
    )


def test_merged_atoms_are_found():
    structure = drawn("PHE")
    gap = structure.positions[atom(structure, "CZ")] - structure.positions[atom(structure, "CB")]
    chemistry = check(moved(structure, {atom(structure, "CB"): gap}))
    assert {"bond_length", "internal_clash"} <= kinds(chemistry).keys()


def test_lengths_of_a_ligand_without_coordinates_are_those_of_distance_geometry():
    structure = embedded("CC(=O)Nc1ccc(O)cc1")
    assert not check(structure).problems
    assert check(structure).checked["bond_length"] == 11
    assert check(replace(structure, positions=structure.positions * 1.4)).found["bond_length"] == 11


def test_overlapping_chains():
    structure = drawn("PHE", "PHE", apart=1.5)
    chemistry = check(structure)
    assert chemistry.found["clash"] == 1 and chemistry.clashes == {("A", "B"): 1}
    assert texts(chemistry)[0].startswith("PHE 1 in chain A and PHE 1 in chain B overlap: ")
    assert not check(drawn("PHE", "PHE", apart=30)).clashes
    on_top = check(drawn("PHE", "PHE", apart=0)).problems[0]
    assert on_top.value == 0 and on_top.expected is not None and 2 < on_top.expected < 3


@pytest.mark.parametrize(
    ("codes", "apart", "clash"),
    [
        (("HOH", "HOH"), 2.4, False),  # a short hydrogen bond
        (("HOH", "HOH"), 2.0, True),
        (("ZN", "HOH"), 2.0, False),  # coordination
        (("ZN", "HOH"), 1.2, True),
        (("ZN", "CL"), 2.2, False),
        (("NA", "CL"), 2.7, False),
        (("CH3", "CH3"), 2.4, True),
    ],
)
def test_what_is_too_close(codes, apart, clash):
    pair = drawn(*codes)
    first, second = np.flatnonzero(pair.chain == 0)[0], np.flatnonzero(pair.chain == 1)[0]
    shift = pair.positions[first] + [apart, 0, 0] - pair.positions[second]
    assert bool(check(moved(pair, {second: shift})).found["clash"]) is clash


def test_a_disulfide_need_not_be_declared_but_is_no_excuse():
    pair = drawn("CYS", "CYS")
    first, second = atom(pair, "SG"), atom(pair, "SG", chain=1)
    pair = only(pair, np.isin(np.arange(len(pair)), [first, second]))
    for apart, found in ((2.05, {}), (1.4, {"clash": 1}), (3.8, {})):
        close = replace(pair, positions=np.array([[0.0, 0, 0], [apart, 0, 0]]))
        assert kinds(check(close)) == found


def test_a_declared_bond_is_kept_across_chains():
    pair = replace(drawn("CYS", "CYS"), bonds=np.array([[5, 12]]))
    assert pair.names[[5, 12]].tolist() == ["SG", "SG"]
    (problem,) = check(pair).problems
    assert problem.kind == "broken_bond" and problem.expected == pytest.approx(2.1)
    assert problem.text.startswith("the bond from SG of CYS 1 in chain A to SG of CYS 1 in chain B is ")


def test_a_bond_through_a_ring():
    pair = drawn("BNZ", "EOH")
    ring = pair.positions[pair.chain == 0]
    normal = np.cross(ring[1] - ring[0], ring[2] - ring[0])
    normal /= np.linalg.norm(normal)
    ends = {atom(pair, "C1", chain=1): -0.76, atom(pair, "C2", chain=1): 0.76}
    through = moved(pair, {k: ring.mean(axis=0) + height * normal - pair.positions[k] for k, height in ends.items()})
    assert "the bond C1-C2 of EOH 1 in chain B goes through the ring" in "\n".join(texts(check(through)))
    beside = moved(through, {k: 3 * (ring[1] - ring[0]) for k in ends})
    assert not check(beside).found["pierced_ring"]


def test_a_motion_changes_nothing():
    structure = drawn("PHE", "ATP", "NAG", apart=4.0)
    turn, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))
    turn *= np.sign(np.linalg.det(turn))
    before, after = check(structure), check(replace(structure, positions=structure.positions @ turn + 50))
    assert kinds(before) and before.found == after.found and texts(before) == texts(after)


def test_the_penalty_grows_with_every_problem_and_stays_small():
    sizes = [0, 1, 2, 5, 20, 100]
    for kind in KINDS:
        costs = [penalty([Finding(kind, 1000, size, ())]) for size in sizes]
        assert costs[0] == 0 and costs == sorted(set(costs)) and costs[-1] < LARGEST_PENALTY
    assert penalty([Finding("chirality", 9, 1, ())]) > penalty([Finding("cis_peptide", 9, 1, ())])


def test_refused():
    structure = drawn("ALA")
    positions = structure.positions.copy()
    positions[2] = np.nan
    with pytest.raises(ValueError, match="1 of 6 atoms have no position"):
        check(replace(structure, positions=positions))
    with pytest.raises(ValueError, match="ALA has no atom 'XX'; its atoms are N, CA"):
        check(replace(structure, names=np.array(["N", "CA", "C", "O", "CB", "XX"])))


@pytest.mark.parametrize("size", [0.0, 0.1, 10.0, 1e4, 1e30])
def test_nonsense_is_reported_and_not_choked_on(size):
    """Atoms of 600 residues in one point, in a ball, and far apart."""
    one = drawn("PHE", "CYS", "TRP")
    chains = tuple(Chain(f"{name}", "protein", ("PHE", "CYS", "TRP") * 100) for name in "AB")
    structure = Structure(
        chains=chains,
        chain=np.repeat([0, 1], 100 * len(one)),
        residue=np.concatenate([one.chain + 3 * (k % 100) for k in range(200)]),
        names=np.tile(one.names, 200),
        elements=np.tile(one.elements, 200),
        charges=np.tile(one.charges, 200),
        positions=size * np.random.default_rng(0).normal(size=(200 * len(one), 3)),
        bonds=np.zeros((0, 2), np.int64),
    )
    chemistry = check(structure)
    assert len(chemistry.problems) <= LISTED * len(KINDS) and chemistry.penalty == pytest.approx(LARGEST_PENALTY)
    assert min(chemistry.found[kind] for kind in ("chirality", "bond_length", "broken_bond")) > LISTED
