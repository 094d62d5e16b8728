"""The input classes of the README. They hold what a user says; `features.atom_input` turns them into tensors."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

import torch
from torch import Tensor

from alphafold3_pytorch.chem.ccd import Components
from alphafold3_pytorch.chem.ligands import from_mol, ion_code
from alphafold3_pytorch.inputs.job import Dna, Entity, Job, Ligand, Protein, Rna, chain_names

Self = TypeVar("Self", bound="TensorFields")
Fields = dict[str, Any]


@dataclass(kw_only=True)
class FurtherInputs:
    """What may accompany sequences or molecules: features made elsewhere, the ground truth, and how to read atoms.

    `atom_pos` and the labels are the ground truth: no input feature is made of them.
    """

    # features
    msa: Tensor | None = None  # [s n 32]
    msa_mask: Tensor | None = None  # [s]
    additional_msa_feats: Tensor | None = None  # [s n 2]
    additional_token_feats: Tensor | None = None  # [n 33]
    templates: Tensor | None = None  # [t n n 108]
    template_mask: Tensor | None = None  # [t]
    token_constraints: Tensor | None = None
    atom_parent_ids: Tensor | None = None  # [m]: atoms attend to those of the same parent only
    # ground truth
    atom_pos: Tensor | Sequence[Tensor] | None = None  # [m 3], or one for each residue or ligand
    missing_atom_indices: Sequence[Sequence[int] | None] | None = (
        None  # for each residue or ligand, places of its atoms
    )
    resolved_labels: Tensor | None = None  # [m]
    distance_labels: Tensor | None = None  # [n n]
    resolution: float | None = None  # Å; the confidence losses need it
    # reading atoms
    add_atom_ids: bool = False
    add_atompair_ids: bool = False
    directed_bonds: bool = False
    extract_atom_feats_fn: Callable[[Any], Tensor] | None = None  # RDKit atom -> features
    extract_atompair_feats_fn: Callable[[Any], Tensor] | None = None  # RDKit molecule -> features of its atom pairs
    custom_atoms: Sequence[str] | None = None
    custom_bonds: Sequence[str] | None = None
    chains: tuple[int | None, int | None] | None = None  # for logs


@dataclass(kw_only=True)
class Alphafold3Input(FurtherInputs):
    """A complex as sequences. Tokens are in the order proteins, RNA, DNA, ligands, ions."""

    proteins: Sequence[str] = ()
    ss_dna: Sequence[str] = ()
    ss_rna: Sequence[str] = ()
    ds_dna: Sequence[str] = ()  # one strand each; the other one is added
    ds_rna: Sequence[str] = ()
    ligands: Sequence[Any] = ()  # SMILES or RDKit molecules
    metal_ions: Sequence[str] = ()  # elements or component codes: Mg, MG, FE2
    misc_molecule_ids: Sequence[str] = ()
    seed: int = 1  # of the reference conformers

    def __post_init__(self) -> None:
        if self.misc_molecule_ids:
            raise ValueError("misc_molecule_ids has no meaning here; give such molecules as ligands or metal_ions")
        for name in ("proteins", "ss_dna", "ss_rna", "ds_dna", "ds_rna"):
            _check_sequences(name, getattr(self, name))

    def to_job(self) -> Job:
        """The same complex in the words of every other reader."""
        names = chain_names()
        entities: list[Entity] = [Protein((next(names),), sequence) for sequence in self.proteins]
        entities += [Rna((next(names),), sequence) for sequence in _strands(self.ss_rna, self.ds_rna, "U")]
        entities += [Dna((next(names),), sequence) for sequence in _strands(self.ss_dna, self.ds_dna, "T")]
        entities += [_ligand(next(names), ligand, number) for number, ligand in enumerate(self.ligands)]
        components = Components()
        entities += [Ligand((next(names),), codes=(ion_code(ion, components),)) for ion in self.metal_ions]
        if not entities:
            raise ValueError("Alphafold3Input is empty; give proteins, ss_rna, ss_dna, ligands or metal_ions")
        return Job("input", tuple(entities), seeds=(self.seed,))


ALPHABETS = {
    "proteins": "ARNDCQEGHILKMFPSTWYVX",
    "ss_rna": "ACGUN",
    "ds_rna": "ACGUN",
    "ss_dna": "ACGTN",
    "ds_dna": "ACGTN",
}


def _check_sequences(name: str, sequences: Sequence[str]) -> None:
    if isinstance(sequences, str):
        raise ValueError(f"{name} is one string; it must be a list: {name}=[{sequences[:20]!r}]")
    for number, sequence in enumerate(sequences):
        if not isinstance(sequence, str) or not sequence:
            raise ValueError(f"{name}[{number}] is {sequence!r}; it must be a sequence of letters")
        odd = next((letter for letter in sequence.upper() if letter not in ALPHABETS[name]), None)
        if odd:
            unknown = ALPHABETS[name][-1]
            raise ValueError(f"{name}[{number}] has the letter {odd!r}; use {ALPHABETS[name]}, {unknown} for unknown")


def _strands(single: Sequence[str], double: Sequence[str], partner_of_a: str) -> list[str]:
    """Single strands, then each double strand with its reverse complement."""
    pairs = str.maketrans(f"A{partner_of_a}CGN", f"{partner_of_a}AGCN")
    strands = [sequence.upper() for sequence in single]
    for sequence in double:
        strands += [sequence.upper(), sequence.upper().translate(pairs)[::-1]]
    return strands


def _ligand(name: str, ligand: Any, number: int) -> Ligand:
    if isinstance(ligand, str):
        return Ligand((name,), smiles=ligand)
    try:
        return Ligand((name,), component=from_mol(ligand, f"LIG_{name}"))
    except (AttributeError, TypeError, RuntimeError) as error:
        raise ValueError(f"ligands[{number}] is {ligand!r}; give SMILES or an RDKit molecule") from error


@dataclass(kw_only=True)
class MoleculeInput(FurtherInputs):
    """A complex as RDKit molecules, one for each residue or ligand, and what is known of their tokens.

    A ligand's molecule has one token for each of its atoms; `molecule_token_pool_lens` has the atoms per token.
    """

    molecules: Sequence[Any]
    molecule_token_pool_lens: Sequence[int]
    molecule_ids: Tensor  # [n]
    additional_molecule_feats: Tensor  # [n 5]
    is_molecule_types: Tensor  # [n 5]
    src_tgt_atom_indices: Tensor | None = None  # [n 2]: atoms of consecutive residues that are bonded
    token_bonds: Tensor | None = None  # [n n]
    molecule_atom_indices: Sequence[int] | Tensor | None = None  # [n]: the centre within the token's molecule
    distogram_atom_indices: Sequence[int] | Tensor | None = None
    is_molecule_mod: Tensor | None = None
    missing_token_indices: Sequence[Sequence[int] | None] | None = None
    seed: int = 1


@dataclass(kw_only=True)
class MoleculeLengthMoleculeInput(MoleculeInput):
    """The same with one row per molecule; those with `one_token_per_atom` are spread over their atoms."""

    one_token_per_atom: Sequence[bool] = field(default=())


@dataclass
class TensorFields:
    """The tensors of `Alphafold3.forward`, under its argument names."""

    atom_inputs: Tensor
    atompair_inputs: Tensor
    additional_molecule_feats: Tensor
    is_molecule_types: Tensor
    molecule_atom_lens: Tensor
    molecule_ids: Tensor
    additional_msa_feats: Tensor | None = None
    additional_token_feats: Tensor | None = None
    is_molecule_mod: Tensor | None = None
    templates: Tensor | None = None
    template_mask: Tensor | None = None
    msa: Tensor | None = None
    msa_mask: Tensor | None = None
    atom_ids: Tensor | None = None
    atompair_ids: Tensor | None = None
    atom_parent_ids: Tensor | None = None
    token_bonds: Tensor | None = None
    token_constraints: Tensor | None = None
    missing_atom_mask: Tensor | None = None
    atom_pos: Tensor | None = None
    molecule_atom_indices: Tensor | None = None
    distogram_atom_indices: Tensor | None = None
    atom_indices_for_frame: Tensor | None = None
    valid_atom_indices_for_frame: Tensor | None = None
    distance_labels: Tensor | None = None
    resolved_labels: Tensor | None = None
    resolution: Tensor | None = None

    def dict(self) -> Fields:
        """All fields that are there."""
        return {item.name: value for item in fields(self) if (value := getattr(self, item.name)) is not None}

    def model_forward_dict(self) -> Fields:
        """What `Alphafold3.forward` takes."""
        return {name: value for name, value in self.dict().items() if name not in ("chains", "filepath")}

    def to(self: Self, device: torch.device | str) -> Self:
        moved = {name: value.to(device) if isinstance(value, Tensor) else value for name, value in self.dict().items()}
        return type(self)(**moved)


@dataclass
class AtomInput(TensorFields):
    """One complex as tensors, without a batch axis."""

    chains: Any = None
    filepath: Any = None


@dataclass
class BatchedAtomInput(TensorFields):
    """Several complexes, padded."""

    chains: Any = None
    filepath: Any = None
