"""Checks of stereochemistry: hands of tetrahedral centres, sides of double bonds, peptide bonds.

Names are no stereochemistry: OP1 and OP2 of a phosphate, CG1 and CG2 of valine, CD1 and CD2 of leucine or phenylalanine
are bonded to the same atoms in the same way, and nothing here tells them apart.
"""

import numpy as np
from jaxtyping import Bool, Int

from alphafold3_pytorch.predict.chemistry.expected import CENTRE, DOUBLE, Expected, hand, same_if_inverted
from alphafold3_pytorch.predict.chemistry.links import Links
from alphafold3_pytorch.predict.chemistry.measure import handedness, torsions
from alphafold3_pytorch.predict.chemistry.problems import Finding, Names, Problem, finding
from alphafold3_pytorch.structure.table import Structure

TETRAHEDRON = 0.77  # handedness of an ideal centre
FLAT = 0.2  # handedness below which a centre has no hand: 0.1 Å above the plane of its neighbours
TWIST = 30.0  # degrees from a flat peptide bond
NITROGEN = "N"


def chirality(structure: Structure, expected: Expected, links: Links) -> Finding:
    """Stereo centres against the input. Where a residue is bonded, its partner stands for the atom that has left."""
    atoms, hands = centres(structure, expected, links)
    found = handedness(structure.positions[atoms].astype(float)) * hands
    wrong = found < FLAT
    _forgive_swapped_names(structure, atoms, wrong, inverted=found < 0)
    names = Names(structure)

    def describe(row: int) -> Problem:
        centre = int(atoms[row, 0])
        right, other = hand(structure.components[names.code(centre)], names.atom(centre))
        what = f"has the wrong hand{f' ({other} instead of {right})' if right else ''}"
        if found[row] > -FLAT:
            what = f"is flat{f', neither {right} nor {other}' if right else ', it has no hand'}"
        text = f"the {names.atom(centre)} of {names.residue(centre)} {what}"
        value, ideal = (float(hands[row] * size) for size in (found[row], TETRAHEDRON))
        return Problem("chirality", (names.address(centre),), text, round(value, 2), ideal)

    return finding("chirality", wrong, -found, describe)


def centres(
    structure: Structure, expected: Expected, links: Links
) -> tuple[Int[np.ndarray, "s 4"], Int[np.ndarray, "s"]]:
    """Centres with all three neighbours, and their hands (1 or -1)."""
    rows = expected[CENTRE]
    ends = np.concatenate([links.pairs, links.pairs[:, ::-1]])
    partner = np.full(len(structure), -1)
    partner[ends[:, 0]] = ends[:, 1]
    partner[np.bincount(ends[:, 0], minlength=len(structure)) > 1] = -1
    atoms = np.where(rows.atoms >= 0, rows.atoms, partner[rows.atoms[:, :1]])
    whole = (atoms >= 0).all(axis=1)
    return atoms[whole], rows.values[whole, 0].astype(int)


def _forgive_swapped_names(structure: Structure, atoms: np.ndarray, wrong: np.ndarray, inverted: np.ndarray) -> None:
    """Takes back what is the same molecule with its atoms named in another order, such as inositol."""
    names, keys = Names(structure), structure.residue_keys
    rows = np.flatnonzero(wrong & inverted)
    rows = rows[np.argsort(keys[atoms[rows, 0]], kind="stable")]
    for group in np.split(rows, np.flatnonzero(np.diff(keys[atoms[rows, 0]])) + 1):
        if len(group) > 1:
            centres = frozenset(structure.names[atoms[group, 0]].tolist())
            if same_if_inverted(structure.components[names.code(int(atoms[group[0], 0]))], centres):
                wrong[group] = False


def sided_bonds(expected: Expected, links: Links) -> tuple[Int[np.ndarray, "d 4"], Bool[np.ndarray, "d"]]:
    """Four atoms along each double bond that has sides, and whether it is cis."""
    rows = expected[DOUBLE]
    kept = ~np.isin(rows.atoms[:, 1:3], links.pairs[links.declared]).any(axis=1)
    return rows.atoms[kept], rows.values[kept, 0] > 0


def double_bonds(structure: Structure, expected: Expected, links: Links) -> Finding:
    """Cis or trans against the input, where no bond between residues may have changed the double bond."""
    atoms, cis = sided_bonds(expected, links)
    angles = torsions(structure.positions[atoms].astype(float))
    off = np.where(cis, np.abs(angles), 180 - np.abs(angles))
    names = Names(structure)

    def describe(row: int) -> Problem:
        is_, should = ("trans", "cis") if cis[row] else ("cis", "trans")
        bond = structure.names[atoms[row, 1:3]].tolist()
        where = names.residue(int(atoms[row, 1]))
        text = f"the double bond {'='.join(bond)} of {where} is {is_} instead of {should}"
        value, ideal = round(float(angles[row]), 1), 0.0 if cis[row] else 180.0
        return Problem("double_bond", names.addresses(atoms[row]), text, value, ideal)

    return finding("double_bond", off > 90, off, describe)


def peptides(structure: Structure, links: Links) -> tuple[Finding, Finding]:
    """Peptide bonds that are cis, if not before a nitrogen with a substituent such as proline's; and twisted ones."""
    atoms = links.peptides[:, [0, 1, 3, 4]]
    angles = torsions(structure.positions[atoms].astype(float))
    cis, trans = np.abs(angles) < TWIST, np.abs(angles) > 180 - TWIST
    names = Names(structure)
    free = {code for code in map(names.code, atoms[cis, 3].tolist()) if has_substituted_nitrogen(structure, code)}
    rare = cis & ~np.isin([names.code(atom) for atom in atoms[:, 3].tolist()], list(free))

    def describe(kind: str, row: int) -> Problem:
        first, second = names.numbered(int(atoms[row, 1])), names.residue(int(atoms[row, 3]))
        text = f"the peptide bond from {first} to {second} is {{}} (omega {angles[row]:.0f}°)"
        what = "cis, which is rare before anything but proline" if kind == "cis_peptide" else "twisted"
        return Problem(kind, names.addresses(atoms[row]), text.format(what), round(float(angles[row]), 1), 180.0)

    twist = np.minimum(np.abs(angles), 180 - np.abs(angles))
    return (
        finding("cis_peptide", rare, -twist, lambda row: describe("cis_peptide", row)),
        finding("twisted_peptide", ~cis & ~trans, twist, lambda row: describe("twisted_peptide", row)),
    )


def has_substituted_nitrogen(structure: Structure, code: str) -> bool:
    """The nitrogen has two bonds inside its residue, as in proline and N-methylated residues."""
    component = structure.components[code]
    heavy = [name for name in component.neighbours(NITROGEN) if component.heavy[component.index[name]]]
    return len(heavy) > 1
