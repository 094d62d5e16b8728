"""Interchangeable atoms, against what chemistry knows of each component."""

import numpy as np
import pytest

from alphafold3_pytorch.chem.ccd import standard_component
from alphafold3_pytorch.chem.molecules import heavy_molecule
from alphafold3_pytorch.chem.symmetry import MOST_OPTIONS, POLYMER_NAMES, sites, standard_sites


def found(code: str, fixed: frozenset[str] = frozenset(), leaving: bool = True):
    component = standard_component(code)
    assert component is not None
    names = tuple(
        name
        for name, heavy, leaves in zip(component.names, component.heavy, component.leaving, strict=True)
        if heavy and (leaving or not leaves)
    )
    return component, names, sites(component, names, fixed)


@pytest.mark.parametrize(
    ("code", "options"),
    [
        ("ATP", [6, 2, 2]),  # the ends of three phosphates
        ("SO4", [24]),
        ("BNZ", [12]),  # the dihedral group of the hexagon
        ("GOL", [2]),
        ("EDO", [2]),
        ("HEM", [2, 2]),  # two propionates; the ring has no symmetry
        ("CIT", [16]),  # three carboxylates, and two arms
        ("BEN", [4]),  # the ring turns, and the two nitrogens are alike
        ("60C", [120]),  # the icosahedral group
        ("BCD", [7]),  # seven glucoses, with a direction
        ("BCR", [8]),  # end to end, and the pair of methyls on each ring
        ("IHP", [6] * 6),
        ("NCO", [720]),  # six ammonias of a cobalt
        ("NAG", []),
        ("ZN", []),
        ("OXY", [2]),
    ],
)
def test_numbers_of_symmetries(code, options):
    assert [len(site.options) for site in found(code)[2]] == options


@pytest.mark.parametrize("code", ["CIT", "BEN", "ATP", "PTR", "CDL", "HEM", "TRS", "SF4"])
def test_options_keep_elements_and_bonds(code):
    component, names, all_sites = found(code)
    mol = heavy_molecule(component, names)
    bonds = {frozenset((bond.GetBeginAtomIdx(), bond.GetEndAtomIdx())) for bond in mol.GetBonds()}
    elements = component.elements[[component.index[name] for name in names]]
    for site in all_sites:
        assert np.array_equal(site.options[0], site.atoms)
        assert len(np.unique(site.options, axis=0)) == len(site.options) <= MOST_OPTIONS
        for option in site.options:
            image = np.arange(len(names))
            image[site.atoms] = option
            assert np.array_equal(np.sort(image), np.arange(len(names))) and (elements[image] == elements).all()
            assert {frozenset(image[list(bond)].tolist()) for bond in bonds} == bonds


def test_hands_are_kept():
    """Myo-inositol and meso-tartrate have a mirror, which is no renaming; L-tartrate has an axis."""
    assert found("INS")[2] == ()
    assert [len(site.options) for site in found("SRT")[2]] == [2, 2]  # its carboxylates alone
    assert [len(site.options) for site in found("TLA")[2]] == [8]


def test_fixed_atoms_stay():
    _, names, all_sites = found("SO4", frozenset({"O1"}))
    assert [len(site.options) for site in all_sites] == [6] and names.index("O1") not in all_sites[0].atoms


def test_modified_residues_keep_the_names_of_the_chain():
    _, names, all_sites = found("PTR", frozenset(POLYMER_NAMES), leaving=False)
    assert [len(site.options) for site in all_sites] == [12]  # the ring flips, three oxygens of the phosphate
    assert {names[atom] for atom in all_sites[0].atoms} == {"CD1", "CD2", "CE1", "CE2", "O1P", "O2P", "O3P"}


def test_standard_residues():
    """Names that IUPAC leaves open; those of leucine, valine, arginine and of phosphates it does not."""
    pairs = {
        "ASP": [{"OD1", "OD2"}],
        "GLU": [{"OE1", "OE2"}],
        "PHE": [{"CD1", "CD2", "CE1", "CE2"}],
        "TYR": [{"CD1", "CD2", "CE1", "CE2"}],
    }
    for code in "ALA ARG ASN ASP GLN GLU HIS ILE LEU LYS PHE THR TYR VAL A U DA DT".split():
        component = standard_component(code)
        assert component is not None
        inside = ~component.leaving & component.heavy
        names = tuple(name for name, keep in zip(component.names, inside, strict=True) if keep)
        expected = pairs.get(code, [])
        assert [{names[atom] for atom in site.atoms} for site in standard_sites(code, names)] == expected
    ring, end = standard_sites("TYR", ("CD1", "CD2", "CE1", "CE2", "O", "OXT"))
    assert dict(zip(ring.atoms, ring.options[1], strict=True)) == {0: 1, 1: 0, 2: 3, 3: 2}
    assert dict(zip(end.atoms, end.options[1], strict=True)) == {4: 5, 5: 4}
