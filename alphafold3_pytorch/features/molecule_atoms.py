"""Features that are read from RDKit molecules: the caller's own, valences, numbers of elements and bonds."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from rdkit import Chem
from torch import Tensor

from alphafold3_pytorch.chem.elements import atomic_number

VALENCES = ("formal charge", "implicit valence", "explicit valence")
BONDS = ("SINGLE", "DOUBLE", "TRIPLE", "AROMATIC")


def valences(atom: Any) -> Tensor:
    """The original package's features of an atom: VALENCES."""
    if hasattr(Chem, "ValenceType"):  # since RDKit 2024.09
        kinds = Chem.ValenceType.IMPLICIT, Chem.ValenceType.EXPLICIT
        counts = [atom.GetValence(kind) for kind in kinds]
    else:
        counts = [atom.GetImplicitValence(), atom.GetExplicitValence()]
    return torch.tensor([atom.GetFormalCharge(), *counts], dtype=torch.float32)


def own_atom_features(molecules: Sequence[Any], function: Callable[[Any], Any]) -> Tensor:
    """[m f] from a function of an RDKit atom."""
    rows = [torch.as_tensor(function(atom), dtype=torch.float32) for mol in molecules for atom in mol.GetAtoms()]
    wrong = next((row for row in rows if row.ndim != 1 or row.shape != rows[0].shape), None)
    if wrong is not None:
        raise ValueError(
            f"extract_atom_feats_fn gave a tensor of shape {tuple(wrong.shape)}; it must be one vector per atom"
        )
    return torch.stack(rows)


def own_pair_features(
    molecules: Sequence[Any], function: Callable[[Any], Any], count: int, queries: int, keys: int
) -> Tensor:
    """[w q l f] from a function of a molecule that gives [atoms atoms f]; 0 between molecules."""
    pairs, values, start = [], [], 0
    for mol in molecules:
        size = mol.GetNumAtoms()
        matrix = torch.as_tensor(function(mol), dtype=torch.float32)
        if matrix.ndim != 3 or matrix.shape[:2] != (size, size):
            shape = f"({size}, {size}, features)"
            raise ValueError(f"extract_atompair_feats_fn gave shape {tuple(matrix.shape)}; it must be {shape}")
        pairs.append(torch.cartesian_prod(torch.arange(size), torch.arange(size)).view(-1, 2) + start)
        values.append(matrix.flatten(0, 1))
        start += size
    return in_windows(torch.cat(pairs), torch.cat(values), count, queries, keys)


def in_windows(pairs: Tensor, values: Tensor, count: int, queries: int, keys: int) -> Tensor:
    """Values of pairs of atoms placed in centred windows, 0 elsewhere; pairs that share no window are left out."""
    windows = -(-count // queries)
    window = pairs[:, 0] // queries
    column = pairs[:, 1] - (window * queries - (keys - queries) // 2)
    inside = (column >= 0) & (column < keys)
    result = values.new_zeros(windows, queries, keys, *values.shape[1:])
    result[window[inside], pairs[inside, 0] % queries, column[inside]] = values[inside]
    return result


def atom_ids(elements: np.ndarray, custom: Sequence[str] | None) -> Tensor:
    """Atomic numbers, or places in the caller's list of elements."""
    if custom is None:
        return torch.from_numpy(elements.astype(np.int64))
    places = {atomic_number(symbol): place for place, symbol in enumerate(custom)}
    missing = sorted(set(elements.tolist()) - set(places))
    if missing:
        raise ValueError(f"custom_atoms lacks the elements with the atomic numbers {missing}; add them")
    return torch.tensor([places[number] for number in elements.tolist()])


def bond_ids(
    molecules: Sequence[Any], custom: Sequence[str] | None, directed: bool, count: int, queries: int, keys: int
) -> Tensor:
    """[w q l]: 0 for no bond, then the kinds of bond in order, then one for other kinds.

    With `directed`, the way from the second atom of a bond to the first has a number of its own.
    """
    kinds = {kind: place for place, kind in enumerate(custom or BONDS, start=1)}
    other = len(kinds) + 1
    pairs, values, start = [torch.zeros(0, 2, dtype=torch.long)], [torch.zeros(0, dtype=torch.long)], 0
    for mol in molecules:
        for bond in mol.GetBonds():
            ends = [bond.GetBeginAtomIdx() + start, bond.GetEndAtomIdx() + start]
            kind = kinds.get(str(bond.GetBondType()), other)
            pairs.append(torch.tensor([ends, ends[::-1]]))
            values.append(torch.tensor([kind, kind + other if directed else kind]))
        start += mol.GetNumAtoms()
    return in_windows(torch.cat(pairs), torch.cat(values), count, queries, keys)
