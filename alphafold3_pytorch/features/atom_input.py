"""The README's input classes to the tensors of `Alphafold3.forward`, and several of them to one padded batch.

The way is that of every other input: job, structure, tokens, layout, reference conformers. Nothing on it looks at
`atom_pos`.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from alphafold3_pytorch.chem.molecules import heavy_molecule
from alphafold3_pytorch.chem.residues import CLASSES, GAP
from alphafold3_pytorch.features import windows
from alphafold3_pytorch.features.bonds import bond_matrix, find_bonds
from alphafold3_pytorch.features.frames import frame_atoms
from alphafold3_pytorch.features.layout import Layout, lay_out
from alphafold3_pytorch.features.molecule_atoms import (
    VALENCES,
    atom_ids,
    bond_ids,
    own_atom_features,
    own_pair_features,
    valences,
)
from alphafold3_pytorch.features.options import FeatureOptions
from alphafold3_pytorch.features.reference import ATOM_FEATURES, atom_features, reference_positions
from alphafold3_pytorch.features.tokens import KINDS, Tokens, tokenize
from alphafold3_pytorch.inputs.alphafold3_input import Alphafold3Input, AtomInput, FurtherInputs
from alphafold3_pytorch.inputs.build import BuildOptions, build

OPTIONS = FeatureOptions(build=BuildOptions(terminal_atoms=False))
ION_ID = 32  # in `molecule_ids`, beside the 32 classes of chem.residues
ION, LIGANDS = KINDS.index("ion"), KINDS.index("ligand")
Tensors = dict[str, Any]


def alphafold3_input_to_tensors(
    inputs: Alphafold3Input,
    dim_atom_inputs: int = ATOM_FEATURES,
    atoms_per_window: int = 32,
    num_molecule_mods: int = 0,
    options: FeatureOptions = OPTIONS,
) -> Tensors:
    """Arguments of `Alphafold3.forward` for one complex, without a batch axis."""
    tokens = tokenize(build(inputs.to_job(), options.build), options)
    return tokens_to_tensors(tokens, inputs, inputs.seed, dim_atom_inputs, atoms_per_window, num_molecule_mods, options)


def tokens_to_tensors(
    tokens: Tokens,
    inputs: FurtherInputs,
    seed: int,
    dim_atom_inputs: int,
    atoms_per_window: int,
    num_molecule_mods: int,
    options: FeatureOptions,
) -> Tensors:
    """The same of tokens, with what accompanies them. The seed is that of the reference conformers."""
    structure, layout, mols = tokens.structure, lay_out(tokens, options), molecules(tokens)
    positions = reference_positions(tokens, seed, options)
    paper = lambda: atom_features(positions, structure.elements, structure.charges, structure.names)  # noqa: E731
    space = tokens.space[tokens.atom_to_token]
    sizes = [mol.GetNumAtoms() for mol in mols]
    tensors = {
        "atom_inputs": atom_inputs(mols, paper, dim_atom_inputs, inputs.extract_atom_feats_fn),
        "atompair_inputs": atompair_inputs(mols, positions, space, atoms_per_window, inputs.extract_atompair_feats_fn),
        **token_tensors(tokens, num_molecule_mods),
        **index_tensors(tokens, layout, options),
        **kinds_of_atoms(mols, structure.elements, atoms_per_window, inputs),
        **single_sequence(tokens),
        **given_features(inputs),
        **ground_truth(sizes, inputs),
    }
    check_lengths(tensors)
    return tensors


def to_atom_input(inputs: Alphafold3Input, dim_atom_inputs: int = ATOM_FEATURES, **options: Any) -> AtomInput:
    """The same as an object."""
    return AtomInput(**alphafold3_input_to_tensors(inputs, dim_atom_inputs, **options), chains=inputs.chains)


def token_tensors(tokens: Tokens, num_molecule_mods: int) -> Tensors:
    columns = (tokens.residue_index, tokens.token_index, tokens.asym_id, tokens.entity_id, tokens.sym_id)
    types = np.where(tokens.kind == ION, ION_ID, tokens.restype)
    tensors: Tensors = {
        "additional_molecule_feats": torch.from_numpy(np.stack(columns, axis=1)),
        "is_molecule_types": torch.from_numpy(tokens.kind[:, None] == np.arange(len(KINDS))),
        "molecule_atom_lens": torch.from_numpy(np.bincount(tokens.atom_to_token, minlength=len(tokens))),
        "molecule_ids": torch.from_numpy(types),
    }
    if num_molecule_mods:
        tensors["is_molecule_mod"] = torch.zeros(len(tokens), num_molecule_mods, dtype=torch.bool)
    return tensors


def index_tensors(tokens: Tokens, layout: Layout, options: FeatureOptions) -> Tensors:
    frames = torch.from_numpy(frame_atoms(tokens, options))
    return {
        "molecule_atom_indices": torch.from_numpy(layout.centre),
        "distogram_atom_indices": torch.from_numpy(layout.distogram),
        "atom_indices_for_frame": frames,
        "valid_atom_indices_for_frame": (frames >= 0).all(dim=-1),
        "token_bonds": torch.from_numpy(bond_matrix(tokens, find_bonds(tokens, options), options)).bool(),
    }


def atom_inputs(
    mols: Sequence[Any], paper: Callable[[], np.ndarray], width: int, function: Callable[[Any], Tensor] | None
) -> Tensor:
    """The caller's own features, the paper's 389, or formal charge, implicit and explicit valence."""
    if function is not None:
        features = own_atom_features(mols, function)
        if features.shape[1] != width:
            raise ValueError(
                f"extract_atom_feats_fn gives {features.shape[1]} features, but the model has dim_atom_inputs = {width}"
            )
        return features
    if width == ATOM_FEATURES:
        return torch.from_numpy(paper())
    if width == len(VALENCES):
        return own_atom_features(mols, valences)
    raise ValueError(
        f"dim_atom_inputs is {width}; without extract_atom_feats_fn an atom has {ATOM_FEATURES} features (the paper's) "
        f"or {len(VALENCES)} ({', '.join(VALENCES)}): give the model one of these widths or pass your own function"
    )


def molecules(tokens: Tokens) -> list[Any]:
    """The RDKit molecule of every residue, atoms as they are in the structure."""
    structure = tokens.structure
    return [
        heavy_molecule(structure.components[chain.residues[place]], tuple(structure.names[atoms].tolist()))
        for chain, place, atoms in structure.residues()
    ]


def atompair_inputs(
    mols: Sequence[Any], positions: np.ndarray, space: np.ndarray, window: int, function: Any
) -> Tensor:
    """[w q l 5] of the reference conformers, or the caller's own features."""
    count, keys = len(positions), 4 * window
    if function is not None:
        return own_pair_features(mols, function, count, window, keys)
    pad = -count % window
    points = F.pad(torch.from_numpy(positions), (0, 0, 0, pad))[None]
    spaces = F.pad(torch.from_numpy(space), (0, pad), value=-1)[None]
    index = windows.key_index(spaces >= 0, window, keys)
    return windows.atompair_features(points, spaces, index)[0]


def kinds_of_atoms(mols: Sequence[Any], elements: np.ndarray, window: int, inputs: FurtherInputs) -> Tensors:
    """Numbers for the learned embeddings of elements and bonds, where they are asked for."""
    tensors: Tensors = {}
    if inputs.add_atom_ids:
        tensors["atom_ids"] = atom_ids(elements, inputs.custom_atoms)
    if inputs.add_atompair_ids:
        sizes = len(elements), window, 4 * window
        tensors["atompair_ids"] = bond_ids(mols, inputs.custom_bonds, inputs.directed_bonds, *sizes)
    return tensors


def single_sequence(tokens: Tokens) -> Tensors:
    """MSA features of the query alone; ligands are gaps in it."""
    types = np.where(tokens.kind >= LIGANDS, GAP, tokens.restype)
    profile = F.one_hot(torch.from_numpy(types), CLASSES).float()
    return {
        "msa": profile[None],
        "msa_mask": torch.ones(1, dtype=torch.bool),
        "additional_msa_feats": torch.zeros(1, len(tokens), 2),
        "additional_token_feats": F.pad(profile, (0, 1)),
    }


def given_features(inputs: FurtherInputs) -> Tensors:
    """Features that the caller made; they replace ours."""
    names = "msa msa_mask additional_msa_feats additional_token_feats templates template_mask token_constraints"
    given = {name: getattr(inputs, name) for name in (*names.split(), "atom_parent_ids")}
    given = {name: torch.as_tensor(value) for name, value in given.items() if value is not None}
    if "msa" in given:
        rows, tokens = given["msa"].shape[:2]
        given.setdefault("msa_mask", torch.ones(rows, dtype=torch.bool))
        given.setdefault("additional_msa_feats", torch.zeros(rows, tokens, 2))
    if "templates" in given:
        given.setdefault("template_mask", torch.ones(len(given["templates"]), dtype=torch.bool))
    return given


def ground_truth(sizes: Sequence[int], inputs: FurtherInputs) -> Tensors:
    """Labels, and which atoms have none; `sizes` are the atoms of each residue or ligand."""
    count = sum(sizes)
    tensors: Tensors = {}
    missing = missing_atoms(sizes, inputs.missing_atom_indices)
    if missing is not None:
        tensors["missing_atom_mask"] = missing
    if inputs.atom_pos is not None:
        tensors["atom_pos"] = positions_of(inputs.atom_pos, count)
        tensors["resolved_labels"] = torch.ones(count).long() if missing is None else (~missing).long()
    for name in ("resolved_labels", "distance_labels"):
        if getattr(inputs, name) is not None:
            tensors[name] = torch.as_tensor(getattr(inputs, name))
    if inputs.resolution is not None:
        tensors["resolution"] = torch.tensor(float(inputs.resolution))
    return tensors


def positions_of(given: Any, count: int) -> Tensor:
    """The caller's positions as one tensor [m 3]."""
    positions = given if isinstance(given, Tensor) else torch.cat([torch.as_tensor(part) for part in given])
    if positions.shape != (count, 3):
        shape = tuple(positions.shape)
        raise ValueError(
            f"atom_pos has shape {shape}; the complex has {count} atoms: give ({count}, 3) or a list of parts"
        )
    return positions.float()


def missing_atoms(sizes: Sequence[int], given: Sequence[Sequence[int] | None] | None) -> Tensor | None:
    """True for atoms that the caller says have no position."""
    if given is None:
        return None
    if len(given) != len(sizes):
        raise ValueError(f"missing_atom_indices has {len(given)} entries for {len(sizes)} residues and ligands")
    missing, start = torch.zeros(sum(sizes), dtype=torch.bool), 0
    for number, (size, places) in enumerate(zip(sizes, given, strict=True)):
        for place in places or ():
            if not 0 <= place < size:
                raise ValueError(f"missing_atom_indices[{number}] has {place}, but that residue has {size} atoms")
            missing[start + place] = True
        start += size
    return missing


LENGTHS = {  # axes by what they count, for the tensors that a caller may give
    "msa": "s n",
    "msa_mask": "s",
    "additional_msa_feats": "s n",
    "additional_token_feats": "n",
    "templates": "t n n",
    "template_mask": "t",
    "token_constraints": "n n",
    "atom_parent_ids": "m",
    "resolved_labels": "m",
}


def check_lengths(tensors: Tensors) -> None:
    """Tensors of the caller must fit the complex, and each other."""
    sizes = {"n": len(tensors["molecule_ids"]), "m": len(tensors["atom_inputs"])}
    words = {"n": "tokens", "m": "atoms", "s": "MSA rows", "t": "templates"}
    for name, axes in LENGTHS.items():
        if name not in tensors:
            continue
        shape = tuple(tensors[name].shape)
        for axis, letter in enumerate(axes.split()):
            size = shape[axis] if axis < len(shape) else -1
            if size != sizes.setdefault(letter, size):
                raise ValueError(f"{name} has shape {shape}; axis {axis} must be the {sizes[letter]} {words[letter]}")
