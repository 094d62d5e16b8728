"""Parts of entries: some of the atoms, tokens and where their centres are."""

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float, Int

from alphafold3_pytorch.chem.residues import INDEX, RESIDUES
from alphafold3_pytorch.features.options import PAPER
from alphafold3_pytorch.features.tokens import FALLBACK_CENTRE, is_whole
from alphafold3_pytorch.structure.mmcif import Entry
from alphafold3_pytorch.structure.table import Structure


def with_atoms(entry: Entry, keep: Bool[np.ndarray, "m"]) -> Entry:
    """Chains that lose all atoms go; the others keep all residues of their sequence."""
    structure = entry.structure
    if keep.all():
        return entry
    alive = np.bincount(structure.chain[keep], minlength=len(structure.chains)) > 0
    chains = [chain for chain, stays in zip(structure.chains, alive.tolist(), strict=True) if stays]
    authors = [names for names, stays in zip(entry.authors, alive.tolist(), strict=True) if stays]
    bonds = structure.bonds[keep[structure.bonds].all(axis=1)]
    part = replace(
        structure,
        chains=tuple(chains),
        chain=(np.cumsum(alive) - 1)[structure.chain[keep]],
        residue=structure.residue[keep],
        names=structure.names[keep],
        elements=structure.elements[keep],
        charges=structure.charges[keep],
        positions=structure.positions[keep],
        bonds=(np.cumsum(keep) - 1)[bonds],
    )
    return replace(entry, structure=part, authors=tuple(authors))


def without_chains(entry: Entry, gone: Bool[np.ndarray, "c"]) -> Entry:
    return with_atoms(entry, ~gone[entry.structure.chain])


def is_polymer(structure: Structure) -> Bool[np.ndarray, "c"]:
    return np.array([chain.is_polymer for chain in structure.chains], bool)


def codes_of(structure: Structure) -> np.ndarray:
    """The component code of every residue [r], in the order of `Structure.residue_keys`."""
    return np.array([code for chain in structure.chains for code in chain.residues], str)


def resolved(structure: Structure) -> Int[np.ndarray, "r"]:
    """The number of atoms of every residue."""
    return np.bincount(structure.residue_keys, minlength=sum(len(chain.residues) for chain in structure.chains))


def token_count(structure: Structure) -> int:
    """Tokens that a prediction would have (SI 2.6); a residue without atoms counts one."""
    atoms = resolved(structure)
    return int(np.where(_whole(structure) | (atoms == 0), 1, atoms).sum())


def _whole(structure: Structure) -> Bool[np.ndarray, "r"]:
    """Whether a residue is one token."""
    return np.array([is_whole(code, chain.kind, PAPER) for chain in structure.chains for code in chain.residues], bool)


def centres(structure: Structure) -> tuple[Float[np.ndarray, "n 3"], Int[np.ndarray, "n"]]:
    """Positions of the centre atoms of the tokens that have one, and their chains."""
    names = [
        _centre(code, chain.kind) if is_whole(code, chain.kind, PAPER) else ""
        for chain in structure.chains
        for code in chain.residues
    ]
    wanted = np.array(names, str)[structure.residue_keys]
    rows = (wanted == "") | (wanted == structure.names)
    return structure.positions[rows], structure.chain[rows]


def _centre(code: str, kind: str) -> str:
    return RESIDUES[INDEX[code]].centre if code in INDEX else FALLBACK_CENTRE[kind]
