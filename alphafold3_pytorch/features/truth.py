"""What of a ground truth is interchangeable: copies of molecules, and atoms whose names are arbitrary (SI 4.2)."""

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from alphafold3_pytorch.chem.symmetry import POLYMER_NAMES, Site, sites, standard_sites
from alphafold3_pytorch.features.batch import Labels, Truth
from alphafold3_pytorch.features.bonds import Bonds
from alphafold3_pytorch.features.collate import pad_and_join
from alphafold3_pytorch.features.crop import atoms_of, places_of
from alphafold3_pytorch.features.featurize import batched
from alphafold3_pytorch.features.tokens import Tokens

Bond = tuple[int, int, int]  # own atom, entity and atom at the other end


def crop_labels(
    tokens: Tokens,
    bonds: Bonds,
    positions: Float[np.ndarray, "a 3"],
    chosen: Int[np.ndarray, "k"],
    padded: int,
    resolution: float | None = None,
) -> Labels:
    """Labels of a crop, as a batch of one that is padded to a number of atoms.

    `tokens`, `bonds` and `positions` (Å, NaN where unknown) are those of the whole complex, `chosen` the crop's tokens.
    """
    atoms = atoms_of(tokens, chosen)
    molecule, kind, copies = copies_of(
        tokens.structure.chain,
        tokens.entity_id[tokens.atom_to_token],
        atom_keys(tokens),
        np.concatenate([bonds.polymer_ligand, bonds.ligand_ligand]),
    )
    known = np.asarray(np.isfinite(positions).all(axis=1))
    positions = np.where(known[:, None], positions, 0).astype(np.float32)
    truth = Truth(
        positions=batched(positions),
        resolved=batched(known),
        molecule=padded_rows(molecule[atoms], padded, -1),
        kind=padded_rows(kind[atoms], padded, -1),
        copies=padded_rows(copies[atoms], padded, -1),
        swaps=batched(swaps_of(tokens, atoms)),
    )
    return Labels(
        positions=padded_rows(positions[atoms], padded, 0),
        resolved=padded_rows(known[atoms], padded, 0),
        resolution=torch.tensor([torch.nan if resolution is None else resolution]),
        truth=truth,
    )


def padded_rows(array: np.ndarray, rows: int, value: int) -> Tensor:
    """A batch of one."""
    more = [(0, rows - len(array)), *[(0, 0)] * (array.ndim - 1)]
    return batched(np.pad(array, more, constant_values=value))


# Copies


def atom_keys(tokens: Tokens) -> Int[np.ndarray, "a"]:
    """A number for each residue of a chain and name in it, the same in all chains."""
    structure = tokens.structure
    words, word = np.unique(structure.names, return_inverse=True)
    return structure.residue * len(words) + word


def copies_of(
    chain: Int[np.ndarray, "a"],
    entity: Int[np.ndarray, "a"],
    key: Int[np.ndarray, "a"],
    bonds: Int[np.ndarray, "k 2"],
) -> tuple[Int[np.ndarray, "a"], Int[np.ndarray, "a"], Int[np.ndarray, "a c"]]:
    """For each atom its molecule, the kind of it, and the same atom in each molecule of that kind, -1 for none.

    Bonds inside a chain count for nothing. Molecules are copies if their chains are, and are bonded at the same atoms.
    """
    numbers = np.unique(chain)
    molecule = _molecules(chain, bonds)
    described = _described(chain, entity, key, bonds)
    members: dict[int, list[int]] = {}
    for number in sorted(numbers.tolist(), key=lambda number: (described[number], number)):
        members.setdefault(molecule[number], []).append(number)
    groups: dict[tuple, list[int]] = {}
    for number, chains in sorted(members.items()):
        groups.setdefault(tuple(described[each] for each in chains), []).append(number)
    kinds = {number: kind for kind, group in enumerate(groups.values()) for number in group}
    counterpart = np.full((int(numbers.max()) + 1, max(map(len, groups.values()))), -1)
    for group in groups.values():
        table = np.array([members[number] for number in group])  # [copies, chains]
        for column in table.T:
            counterpart[column, : len(group)] = column
    of_atom = np.array([molecule[number] for number in chain.tolist()])
    return of_atom, np.array([kinds[number] for number in of_atom.tolist()]), _same_atoms(chain, key, counterpart)


def _molecules(chain: Int[np.ndarray, "a"], bonds: Int[np.ndarray, "k 2"]) -> dict[int, int]:
    """The molecule of each chain: the lowest number of the chains that are bonded together."""
    molecule = {number: number for number in np.unique(chain).tolist()}
    for first, second in np.unique(chain[bonds], axis=0).tolist():
        old, new = sorted((molecule[first], molecule[second]), reverse=True)
        molecule = {number: new if own == old else own for number, own in molecule.items()}
    return molecule


def _described(
    chain: Int[np.ndarray, "a"], entity: Int[np.ndarray, "a"], key: Int[np.ndarray, "a"], bonds: Int[np.ndarray, "k 2"]
) -> dict[int, tuple[int, tuple[Bond, ...]]]:
    """Entity and bonds of each chain, in words that are the same for its copies."""
    numbers, first = np.unique(chain, return_index=True)
    found: dict[int, list[Bond]] = {number: [] for number in numbers.tolist()}
    for pair in bonds[chain[bonds[:, 0]] != chain[bonds[:, 1]]].tolist():
        for atom, other in (pair, pair[::-1]):
            found[int(chain[atom])].append((int(key[atom]), int(entity[other]), int(key[other])))
    return {
        number: (own, tuple(sorted(found[number])))
        for number, own in zip(numbers.tolist(), entity[first].tolist(), strict=True)
    }


def _same_atoms(
    chain: Int[np.ndarray, "a"], key: Int[np.ndarray, "a"], counterpart: Int[np.ndarray, "n c"]
) -> Int[np.ndarray, "a c"]:
    """The atom with the same key in each counterpart of an atom's chain."""
    size = int(key.max()) + 1
    full = chain * size + key
    order = np.argsort(full)
    there = counterpart[chain]
    wanted = there * size + key[:, None]
    place = order[np.searchsorted(full, wanted, sorter=order).clip(max=len(full) - 1)]
    return np.where((there >= 0) & (full[place] == wanted), place, -1)


# Atoms with arbitrary names


def swaps_of(tokens: Tokens, atoms: Int[np.ndarray, "m"]) -> Int[np.ndarray, "e 4"]:
    """Rows of `Truth.swaps` for a crop with these atoms. Options that need an atom outside the crop are left out."""
    structure, place = tokens.structure, places_of(tokens, atoms)
    bonded, inside = set(structure.bonds.ravel().tolist()), set(tokens.space[tokens.atom_to_token[atoms]].tolist())
    whole = set(tokens.space[~tokens.atomised].tolist())
    rows: list[np.ndarray] = [np.zeros((0, 4), np.int64)]
    site = option = 0
    for space, (chain, number, where) in enumerate(structure.residues()):
        if space not in inside:
            continue
        code, names = chain.residues[number], tuple(structure.names[where].tolist())
        if space in whole:
            found = standard_sites(code, names)
        else:
            fixed = {names[atom - where.start] for atom in range(where.start, where.stop) if atom in bonded}
            fixed |= POLYMER_NAMES & set(names) if chain.is_polymer else set()
            found = sites(structure.components[code], names, frozenset(fixed))
        for each in found:
            table = _rows(each, place[where.start : where.stop], site, option)
            rows.append(table)
            site, option = site + 1, option + len(each.options)
    return np.concatenate(rows)


def _rows(each: Site, place: Int[np.ndarray, "k"], site: int, option: int) -> Int[np.ndarray, "e 4"]:
    targets, sources = np.broadcast_to(place[each.atoms], each.options.shape), place[each.options]
    options = np.broadcast_to(option + np.arange(len(each.options))[:, None], targets.shape)
    keep = np.broadcast_to(((targets < 0) == (sources < 0)).all(axis=1, keepdims=True), targets.shape) & (targets >= 0)
    columns = np.full(targets.shape, site), options, targets, sources
    return np.stack([column[keep] for column in columns], axis=-1)


# From tensors


def truth_of_tensors(
    positions: Float[Tensor, "b m 3"],
    resolved: Bool[Tensor, "b m"],
    atom_to_token: Int[Tensor, "b m"],
    residue_index: Int[Tensor, "b n"],
    asym_id: Int[Tensor, "b n"],
    entity_id: Int[Tensor, "b n"],
    token_bonds: Float[Tensor, "b n n"],
) -> Truth:
    """Of a batch of whole complexes, whose atoms have no names: the atoms of a residue are matched in their order."""
    arrays = (x.detach().cpu().numpy() for x in (atom_to_token, residue_index, asym_id, entity_id, token_bonds))
    found = [_copies_of_tensors(*row) for row in zip(*arrays, strict=True)]
    parts = [[padded_rows(array, positions.shape[1], -1) for array in row] for row in found]
    molecule, kind, copies = (pad_and_join(column, -1).to(positions.device) for column in zip(*parts, strict=True))
    swaps = torch.zeros(len(positions), 0, 4, dtype=torch.long, device=positions.device)
    return Truth(positions, resolved, molecule, kind, copies, swaps)


def _copies_of_tensors(
    token: Int[np.ndarray, "m"],
    residue: Int[np.ndarray, "n"],
    asym: Int[np.ndarray, "n"],
    entity: Int[np.ndarray, "n"],
    bonds: Float[np.ndarray, "n n"],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`copies_of` for the atoms before the padding."""
    token = token[token >= 0]
    of_atom = np.stack([asym[token], residue[token]])
    starts = np.flatnonzero((np.diff(of_atom, axis=1, prepend=-1) != 0).any(axis=0))
    rank = np.arange(len(token)) - np.repeat(starts, np.diff(starts, append=len(token)))
    first_atom = np.searchsorted(token, np.arange(len(residue)))
    pairs = np.argwhere((bonds > 0) & (asym[:, None] < asym))
    return copies_of(asym[token], entity[token], residue[token] * (int(rank.max()) + 1) + rank, first_atom[pairs])
