"""FeatureBatch and Labels: the only objects in which data meets the model.

Built by `features.featurize` and `features.collate` from structures, or by the tensor arguments of `Alphafold3`.
Every field has a leading batch axis; padding is False in the masks, -1 in the indices and 0 elsewhere.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cached_property
from typing import Any, TypeVar

import torch

from alphafold3_pytorch.shapes import Bool, Float, Int, Tensor

Group = TypeVar("Group")


def map_tensors(group: Group, function: Callable[[Tensor], Tensor]) -> Group:
    """The same dataclass with `function` applied to each of its tensors, nested dataclasses included."""

    def visit(value: Any) -> Any:
        if isinstance(value, Tensor):
            return function(value)
        if isinstance(value, dict):
            return {key: visit(item) for key, item in value.items()}
        return map_tensors(value, function) if is_dataclass(value) else value

    return replace(group, **{field.name: visit(getattr(group, field.name)) for field in fields(group)})  # type: ignore[type-var]


class Movable:
    """Moves all tensors of a frozen dataclass at once."""

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None):
        """Copy to a device; a floating point `dtype` is applied to floating point tensors only."""
        cast = lambda x: x.to(device, dtype if dtype and x.is_floating_point() else x.dtype)  # noqa: E731
        return map_tensors(self, cast)


@dataclass(frozen=True)
class Msa(Movable):
    """Alignment rows, the query first (SI 2.8, Table 5)."""

    rows: Int[Tensor, "b s n"] | Float[Tensor, "b s n r"]  # residue types of chem.residues, or their one-hot form
    features: Float[Tensor, "b s n f"]  # has_deletion, deletion_value
    mask: Bool[Tensor, "b s n"]


@dataclass(frozen=True)
class Templates(Movable):
    """Aligned template structures (SI 2.8, Table 5). Their pair features are made one template at a time."""

    restype: Int[Tensor, "b t n"]
    pseudo_beta: Float[Tensor, "b t n 3"]  # Å
    pseudo_beta_mask: Bool[Tensor, "b t n"]
    backbone: Float[Tensor, "b t n 3 3"]  # N, CA, C (nucleotides: C1', C3', C4' in the order C4', C1', C3'), Å
    backbone_mask: Bool[Tensor, "b t n"]


@dataclass(frozen=True)
class DenseTemplates(Movable):
    """Template pair features made elsewhere, in the order of `nn.templates.template_pair_features`."""

    features: Float[Tensor, "b t n n f"]
    mask: Bool[Tensor, "b t"]


@dataclass(frozen=True)
class FeatureBatch(Movable):
    """Everything the network reads (SI Table 5), no label among it."""

    # tokens
    token_mask: Bool[Tensor, "b n"]
    restype: Int[Tensor, "b n"]  # chem.residues vocabulary
    residue_index: Int[Tensor, "b n"]
    token_index: Int[Tensor, "b n"]
    asym_id: Int[Tensor, "b n"]
    entity_id: Int[Tensor, "b n"]
    sym_id: Int[Tensor, "b n"]
    molecule_type: Bool[Tensor, "b n 5"]  # protein, RNA, DNA, ligand, ion
    token_features: Float[Tensor, "b n ft"]  # MSA profile 32, deletion mean 1
    token_bonds: Float[Tensor, "b n n"]
    # atoms
    atom_mask: Bool[Tensor, "b m"]
    atom_features: Float[Tensor, "b m fa"]  # position 3, mask 1, element 128, arcsinh(charge) 1, name 4 x 64
    atom_to_token: Int[Tensor, "b m"]
    atom_slot: Int[Tensor, "b m"]  # place of the atom within its token
    # local attention windows (features.windows)
    key_index: Int[Tensor, "b w l"]  # atoms that window w attends to
    atompair_features: Float[
        Tensor, "b w q l fp"
    ]  # offset 3, 1 / (1 + distance^2), same conformer; all zero across conformers
    # atoms that stand for a token
    centre_atom: Int[Tensor, "b n"]  # CA, C1', the ligand atom
    distogram_atom: Int[Tensor, "b n"]  # CB (GLY: CA), purine C4, pyrimidine C2, the ligand atom
    frame_atoms: Int[Tensor, "b n 3"]
    # optional groups
    msa: Msa | None = None
    templates: Templates | DenseTemplates | None = None
    extra: dict[str, Tensor] | None = None  # inputs of one model family, by name (embeddings, constraints)

    @cached_property
    def absent_mask(self) -> Bool[Tensor, "b n"] | None:
        """The token mask if it masks anything, else None: the layers then do no masking at all."""
        return None if bool(self.token_mask.all()) else self.token_mask


@dataclass(frozen=True)
class Truth(Movable):
    """The whole complex that a batch is, or is a crop of, and what of it is interchangeable (SI 4.2).

    A molecule is a chain with the chains that are bonded to it. Copies of a molecule are those that no input feature
    tells apart. A swap is one way to rename some atoms: with option `o`, atom `a` takes the place of atom `b`.
    """

    positions: Float[Tensor, "b a 3"]  # Å, of all atoms of the complex
    resolved: Bool[Tensor, "b a"]
    molecule: Int[Tensor, "b m"]  # of each atom of the batch
    kind: Int[Tensor, "b m"]  # molecules of one kind are copies
    copies: Int[Tensor, "b m c"]  # the same atom in each copy of its molecule, a place in `positions`, -1 for none
    swaps: Int[Tensor, "b e 4"]  # site, option, atom, atom whose place it takes; the first option of a site is none


@dataclass(frozen=True)
class Labels(Movable):
    """The ground truth of a batch."""

    positions: Float[Tensor, "b m 3"]  # Å
    resolved: Bool[Tensor, "b m"]  # the atom has a position
    resolution: Float[Tensor, "b"] | None = None  # Å; NaN where unknown
    truth: Truth | None = None
