"""Bonds that the network is told of: between polymers and ligands, between ligands, and inside what is not standard."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from alphafold3_pytorch.features.options import PAPER, FeatureOptions
from alphafold3_pytorch.features.tokens import NUCLEIC, STANDARD, Tokens

KNOWN = STANDARD["protein"] | NUCLEIC


@dataclass(frozen=True, eq=False)
class Bonds:
    """Pairs of atoms, in the order and direction in which job and dictionary give them."""

    polymer_ligand: Int[np.ndarray, "p 2"]
    ligand_ligand: Int[np.ndarray, "k 2"]


def find_bonds(tokens: Tokens, options: FeatureOptions = PAPER) -> Bonds:
    """Bonds declared between polymers are left out, as in the paper."""
    structure = tokens.structure
    polymer = np.array([chain.is_polymer for chain in structure.chains])
    declared = structure.bonds
    keys = structure.residue_keys
    declared = declared[keys[declared[:, 0]] != keys[declared[:, 1]]]
    polymers = polymer[structure.chain[declared]].sum(axis=1)
    inside = _inside(tokens, as_official=options.bonds == "directed")
    return Bonds(declared[polymers == 1], np.concatenate([declared[polymers == 0], inside]))


def _inside(tokens: Tokens, as_official: bool) -> Int[np.ndarray, "k 2"]:
    """Bonds of components with one token per atom.

    Official AlphaFold 3 leaves out those of standard residues that are ligands, and of atoms whose name starts with H.
    """
    structure, found = tokens.structure, [np.zeros((0, 2), np.int64)]
    for token in np.flatnonzero(tokens.atomised & np.diff(tokens.space, prepend=-1).astype(bool)).tolist():
        code = tokens.names[token]
        component = structure.components[code]
        if (as_official and code in KNOWN) or not len(component.bonds):
            continue
        start = int(tokens.first_atom[token])
        stop = start + int((tokens.space == tokens.space[token]).sum())
        places = np.full(len(component.names), -1)
        present = structure.names[start:stop].tolist()
        places[[component.index[name] for name in present]] = range(start, stop)
        places[[as_official and name.startswith("H") for name in component.names]] = -1
        pairs = places[component.bonds]
        found.append(pairs[(pairs >= 0).all(axis=1)])
    return np.concatenate(found)


def token_pairs(tokens: Tokens, bonds: Bonds, options: FeatureOptions) -> Int[np.ndarray, "k 2"]:
    """Bonds as pairs of tokens. "directed" means that a bond counts for the centre of a residue of a polymer."""
    pairs = np.concatenate([bonds.polymer_ligand, bonds.ligand_ligand])
    ends = tokens.atom_to_token[pairs]
    if options.bonds == "directed":
        ends[: len(bonds.polymer_ligand)] = _centres(tokens, bonds.polymer_ligand)
    return ends[(ends >= 0).all(axis=1)]


def _centres(tokens: Tokens, pairs: Int[np.ndarray, "k 2"]) -> Int[np.ndarray, "k 2"]:
    """The token of CA or C1' of the residue of a polymer's atom, -1 where it has none; a ligand's own token."""
    names, keys = tokens.structure.names, tokens.structure.residue_keys
    centre = np.isin(names, ["CA", "C1'"])
    result = tokens.atom_to_token[pairs]
    for row, column in np.argwhere(_is_polymer(tokens)[pairs]).tolist():
        places = np.flatnonzero(centre & (keys == keys[pairs[row, column]]))
        result[row, column] = tokens.atom_to_token[places[0]] if len(places) else -1
    return result


def _is_polymer(tokens: Tokens) -> np.ndarray:
    chains = tokens.structure.chains
    return np.array([chain.is_polymer for chain in chains])[tokens.structure.chain]


def bond_matrix(tokens: Tokens, bonds: Bonds, options: FeatureOptions = PAPER) -> Float[np.ndarray, "n n"]:
    pairs = token_pairs(tokens, bonds, options)
    matrix = np.zeros((len(tokens), len(tokens)), np.float32)
    matrix[tuple(pairs.T)] = 1
    if options.bonds == "symmetric":
        matrix[tuple(pairs.T[::-1])] = 1
        np.fill_diagonal(matrix, 0)
    else:
        matrix[0, 0] = 0
    return matrix
