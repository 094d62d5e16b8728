"""MoleculeInput, RDKit molecules with what is known of their tokens, to the tensors of `Alphafold3.forward`."""

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from alphafold3_pytorch.chem.ligands import from_mol
from alphafold3_pytorch.features.atom_input import (
    atom_inputs,
    atompair_inputs,
    check_lengths,
    given_features,
    ground_truth,
    kinds_of_atoms,
)
from alphafold3_pytorch.features.options import FeatureOptions
from alphafold3_pytorch.features.reference import ATOM_FEATURES, Conformers, atom_features, centred, rotation
from alphafold3_pytorch.inputs.alphafold3_input import AtomInput, MoleculeInput, MoleculeLengthMoleculeInput


def molecule_input_to_atom_input(
    inputs: MoleculeInput, dim_atom_inputs: int = ATOM_FEATURES, atoms_per_window: int = 32, **_: Any
) -> AtomInput:
    """Conformers are those of the molecules; a molecule without one gets one."""
    if isinstance(inputs, MoleculeLengthMoleculeInput):
        inputs = spread(inputs)
    mols = list(inputs.molecules)
    sizes = [mol.GetNumAtoms() for mol in mols]
    lens = torch.as_tensor(inputs.molecule_token_pool_lens)
    if int(lens.sum()) != sum(sizes):
        raise ValueError(
            f"molecule_token_pool_lens adds up to {int(lens.sum())} atoms, the molecules have {sum(sizes)}"
        )
    positions = positions_of_molecules(mols, inputs.seed)
    elements, charges, names = atoms_of(mols)
    space = np.repeat(np.arange(len(mols)), sizes)
    paper = lambda: atom_features(positions, elements, charges, names)  # noqa: E731
    tensors = {
        "atom_inputs": atom_inputs(mols, paper, dim_atom_inputs, inputs.extract_atom_feats_fn),
        "atompair_inputs": atompair_inputs(mols, positions, space, atoms_per_window, inputs.extract_atompair_feats_fn),
        "molecule_atom_lens": lens,
        "molecule_ids": inputs.molecule_ids,
        "additional_molecule_feats": inputs.additional_molecule_feats,
        "is_molecule_types": inputs.is_molecule_types,
        **token_fields(inputs, lens),
        **kinds_of_atoms(mols, elements, atoms_per_window, inputs),
        **given_features(inputs),
        **ground_truth(sizes, inputs),
    }
    check_lengths(tensors)
    return AtomInput(**tensors, chains=inputs.chains)


def token_fields(inputs: MoleculeInput, lens: Tensor) -> dict[str, Tensor]:
    """Bonds and modifications as they are, atoms that stand for a token as places among all atoms."""
    given = {name: getattr(inputs, name) for name in ("token_bonds", "is_molecule_mod")}
    tensors = {name: torch.as_tensor(value) for name, value in given.items() if value is not None}
    starts = lens.cumsum(dim=0) - lens
    for name in ("molecule_atom_indices", "distogram_atom_indices"):
        if getattr(inputs, name) is not None:
            local = torch.as_tensor(getattr(inputs, name))
            tensors[name] = torch.where(local < 0, -1, local + starts)
    for number, places in enumerate(inputs.missing_token_indices or ()):
        for place in places or ():  # a token whose atoms are not known stands for nothing
            for name in ("molecule_atom_indices", "distogram_atom_indices"):
                if name in tensors and number + place < len(lens):
                    tensors[name][number + place] = -1
    return tensors


def atoms_of(mols: Sequence[Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Atomic numbers, charges and names of all atoms."""
    atoms = [atom for mol in mols for atom in mol.GetAtoms()]
    names = [from_mol(mol, "X").names[: mol.GetNumAtoms()] for mol in mols]
    return (
        np.array([atom.GetAtomicNum() for atom in atoms]),
        np.array([atom.GetFormalCharge() for atom in atoms]),
        np.array([name for group in names for name in group]),
    )


def positions_of_molecules(mols: Sequence[Any], seed: int) -> np.ndarray:
    """A conformer of each molecule, turned and moved at random."""
    stream, conformers, parts = np.random.RandomState(seed), Conformers(FeatureOptions(conformers=None)), []
    for number, mol in enumerate(mols):
        own_seed, directions, shift = int(stream.randint(1, 1 << 31)), stream.normal(size=(2, 3)), stream.normal(size=3)
        count = mol.GetNumAtoms()
        if mol.GetNumConformers():
            shape = centred(mol.GetConformer().GetPositions(), range(count))
        else:
            shape = conformers.take(from_mol(mol, f"MOL_{number}"), own_seed)
        parts.append((shape @ rotation(directions).T + shift)[:count])
    return np.concatenate(parts).astype(np.float32)


def spread(inputs: MoleculeLengthMoleculeInput) -> MoleculeInput:
    """Rows of molecules to rows of tokens: those with one token per atom are repeated for each atom."""
    sizes = [mol.GetNumAtoms() for mol in inputs.molecules]
    single = list(inputs.one_token_per_atom) or [False] * len(sizes)
    if len(single) != len(sizes):
        raise ValueError(f"one_token_per_atom has {len(single)} entries for {len(sizes)} molecules")
    repeats = torch.tensor([size if alone else 1 for size, alone in zip(sizes, single, strict=True)])
    lens = [part for size, alone in zip(sizes, single, strict=True) for part in ([1] * size if alone else [size])]
    values = {item.name: getattr(inputs, item.name) for item in fields(MoleculeInput)}
    for name in ("molecule_ids", "additional_molecule_feats", "is_molecule_types", "is_molecule_mod"):
        if values[name] is not None:
            values[name] = torch.as_tensor(values[name]).repeat_interleave(repeats, dim=0)
    alone = torch.tensor(single).repeat_interleave(repeats)
    for name in ("molecule_atom_indices", "distogram_atom_indices"):
        if values[name] is not None:
            local = torch.as_tensor(values[name]).repeat_interleave(repeats)
            values[name] = torch.where(alone & (local >= 0), 0, local)
    return replace(MoleculeInput(**values), molecule_token_pool_lens=lens)
