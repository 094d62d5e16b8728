"""The ground truth renamed to match a prediction (SI 4.2; AlphaFold-Multimer, section 7.3).

Copies of a chain, and atoms with arbitrary names, cost nothing if the network has them in another order. First copies
are assigned, then atoms. Nothing here has a gradient.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property

import numpy as np
import torch
from torch import nn

from alphafold3_pytorch.features.batch import FeatureBatch, Labels, Truth
from alphafold3_pytorch.features.tensors import atom_layout, of_atoms
from alphafold3_pytorch.features.truth import truth_of_tensors
from alphafold3_pytorch.shapes import Bool, Float, Int, Tensor
from alphafold3_pytorch.structure.geometry import fit_rigid, rotate, widen
from alphafold3_pytorch.train.losses import PAPER, LossConfig, atom_weights

ENOUGH = 3  # atoms that make an alignment
ROUNDS = 5  # of alignment and assignment, at most
FAR = 1e12  # Å², between molecules that have no known atom in common


def match_labels(
    predicted: Float[Tensor, "b m 3"], batch: FeatureBatch, labels: Labels, config: LossConfig = PAPER
) -> Labels:
    """Labels permuted to match a prediction, with the weights of the diffusion loss.

    Without `labels.truth` the batch is taken for whole complexes, of which chains are permuted, but not atoms.
    """
    if labels.truth is None:
        columns = batch.residue_index, batch.asym_id, batch.entity_id
        truth = truth_of_tensors(labels.positions, labels.resolved, batch.atom_to_token, *columns, batch.token_bonds)
        labels = replace(labels, truth=truth)
    molecule_type = of_atoms(batch.molecule_type, batch.atom_to_token)
    return permute_labels(predicted, labels, atom_weights(molecule_type, config.nucleotide, config.ligand))


@torch.no_grad()
def permute_labels(
    predicted: Float[Tensor, "b m 3"], labels: Labels, weights: Float[Tensor, "b m"] | None = None
) -> Labels:
    """Labels with the positions of the equivalent atoms that fit the prediction best; they need `truth`.

    `weights` say how much each atom counts, as in the loss (default: all alike).
    """
    truth = labels.truth
    if truth is None:
        raise ValueError("labels.truth is None; labels can be permuted only where the whole ground truth is known")
    weights = torch.ones_like(predicted[..., 0]) if weights is None else weights
    rows = [Match(predicted[row], weights[row], truth, row).source() for row in range(len(predicted))]
    source = torch.stack(rows)
    at = source.clamp_min(0)
    resolved = truth.resolved.gather(1, at) & (source >= 0)
    positions = truth.positions.gather(1, at[..., None].expand(-1, -1, 3))
    return replace(labels, positions=torch.where(resolved[..., None], positions, 0.0), resolved=resolved)


class Match:
    """One prediction and the truth that it is to be matched with.

    A `source` says for each atom of the prediction which atom of the truth it is, -1 for none. Alignments use atoms
    whose names mean something (`steady`) if there are enough of them.
    """

    def __init__(self, predicted: Float[Tensor, "m 3"], weights: Float[Tensor, "m"], truth: Truth, row: int):
        self.predicted, self.positions = widen(predicted), widen(truth.positions[row])
        self.resolved = truth.resolved[row]
        self.copies, swaps = truth.copies[row], truth.swaps[row]
        self.swaps = swaps[swaps[:, 0] >= 0]
        there = truth.molecule[row] >= 0
        self.weights = torch.where(there, widen(weights), 0.0)
        moving = self.swaps[self.swaps[:, 2] != self.swaps[:, 3], 2]
        self.steady = self.weights.index_fill(0, moving, 0.0)
        numbers, self.molecule = truth.molecule[row].unique(return_inverse=True)  # padding is one too, of kind -1
        self.count = len(numbers)
        self.kinds = torch.zeros_like(numbers).scatter(0, self.molecule, truth.kind[row]).tolist()

    def source(self) -> Int[Tensor, "m"]:
        return self.rename(self.assign())

    def known(self, source: Int[Tensor, "*m"]) -> Bool[Tensor, "*m"]:
        return (source >= 0) & self.resolved[source.clamp_min(0)]

    def align(self, source: Int[Tensor, "m"], only: Bool[Tensor, "m"] | None = None) -> Float[Tensor, "a 3"]:
        """The whole truth, moved so that the sources of atoms (or only of some) lie on them."""
        known = self.known(source) if only is None else self.known(source) & only
        enough = (known & (self.steady > 0)).sum() >= ENOUGH
        weights = torch.where(known, torch.where(enough, self.steady, self.weights), 0.0)
        rotation, translation = fit_rigid(self.positions[source.clamp_min(0)], self.predicted, weights)
        return rotate(self.positions.to(rotation.dtype), rotation) + translation

    def of_molecules(self, values: Float[Tensor, "m *c"]) -> Float[Tensor, "g *c"]:
        """Sums over the atoms of each molecule."""
        return values.new_zeros(self.count, *values.shape[1:]).index_add(0, self.molecule, values)

    # Copies

    @cached_property
    def counting(self) -> Float[Tensor, "m c"]:
        """The weight of each atom in comparisons with each copy: steady atoms, or all where a molecule has none."""
        none = self.of_molecules(self.steady) == 0
        weights = torch.where(none[self.molecule], self.weights, self.steady)
        return torch.where(self.known(self.copies), weights[:, None], 0.0)

    def assign(self) -> Int[Tensor, "m"]:
        """The assignment of copies with the least error, of those that begin with one of the anchor's copies."""
        if self.copies.shape[1] == 1:
            return self.copies[:, 0]
        best, least = self.copies[:, 0], torch.inf
        for mine, copy in self.anchors():
            start = self.improved(self.align(self.copies[:, copy], mine))
            source = self.settled(start)
            error = self.error(source)
            if error < least:
                best, least = source, error
        return best

    def anchors(self) -> Iterator[tuple[Bool[Tensor, "m"], int]]:
        """One molecule with each of its copies: of those half as large as the largest or more the one with fewest.

        Small ones, and atoms with arbitrary names, make poor alignments.
        """
        known = self.of_molecules((self.known(self.copies) & (self.steady > 0)[:, None]).float())
        if not known.any():
            known = self.of_molecules((self.counting > 0).float())
        most = known.amax(-1)
        copies = self.of_molecules((self.copies >= 0).float()).gt(0).sum(-1)
        keys = most < most.amax() / 2, copies, -most, torch.arange(self.count)
        anchor = int(min(zip(*(key.tolist() for key in keys), strict=True))[-1])
        for copy in (known[anchor] >= most[anchor].clamp(1, ENOUGH)).nonzero()[:, 0].tolist():
            yield self.molecule == anchor, copy

    def improved(self, moved: Float[Tensor, "a 3"]) -> Int[Tensor, "m"]:
        """Every molecule has the nearest copy that is left, the nearest pairs first."""
        distance = (moved[self.copies.clamp_min(0)] - self.predicted[:, None]).square().sum(-1)
        weight = self.of_molecules(self.counting)
        cost = self.of_molecules(self.counting * distance) / weight.clamp_min(1e-12)
        cost = torch.where(weight > 0, cost, FAR)
        exists = self.of_molecules((self.copies >= 0).float()) > 0
        chosen = greedy(torch.where(exists, cost, torch.inf).cpu().numpy(), self.kinds)
        column = torch.tensor(chosen, device=moved.device)[self.molecule]
        return self.copies.gather(1, column[:, None])[:, 0]

    def settled(self, source: Int[Tensor, "m"]) -> Int[Tensor, "m"]:
        """Aligned on all molecules and assigned again, until nothing changes."""
        for _ in range(ROUNDS):
            before, source = source, self.improved(self.align(source))
            if torch.equal(before, source):
                break
        return source

    def error(self, source: Int[Tensor, "m"]) -> float:
        known = self.known(source)
        distance = (self.align(source)[source.clamp_min(0)] - self.predicted).square().sum(-1)
        weights = torch.where(known, self.weights if self.steady.sum() == 0 else self.steady, 0.0)
        return float((weights * distance).sum() / weights.sum().clamp_min(1e-12)) if known.any() else torch.inf

    # Atoms

    def rename(self, source: Int[Tensor, "m"]) -> Int[Tensor, "m"]:
        """At every site the option with the least squared error."""
        for _ in range(ROUNDS if len(self.swaps) else 0):
            before, source = source, self.renamed(source)
            if torch.equal(before, source):
                break
        return source

    def renamed(self, source: Int[Tensor, "m"]) -> Int[Tensor, "m"]:
        site, option, atom, other = self.swaps.unbind(1)
        taken = source[other]
        distance = (self.align(source)[taken.clamp_min(0)] - self.predicted[atom]).square().sum(-1)
        error = torch.where(self.known(taken), distance, 0.0)
        options = int(option.max()) + 1
        cost = error.new_zeros(options).index_add(0, option, error)
        site_of = torch.zeros_like(option[:1]).expand(options).scatter(0, option, site)
        least = cost.new_full((int(site.max()) + 1,), torch.inf).scatter_reduce(0, site_of, cost, "amin")
        is_best = cost == least[site_of]
        number = torch.arange(options, device=cost.device).masked_fill(~is_best, options)
        first = number.new_full(least.shape, options).scatter_reduce(0, site_of, number, "amin")
        chosen = option == first[site]
        return source.scatter(0, atom[chosen], taken[chosen])


def greedy(cost: np.ndarray, kinds: list[int]) -> list[int]:
    """A column for each row; rows of one kind have different ones. The cheapest pair is taken first."""
    chosen = np.zeros(len(cost), int)
    for kind in set(kinds):
        rows = [row for row, own in enumerate(kinds) if own == kind]
        table = cost[rows].copy()
        for _ in rows:
            row, column = np.unravel_index(np.argmin(table), table.shape)
            chosen[rows[row]] = column
            table[row], table[:, column] = np.inf, np.inf
    return chosen.tolist()


class MultiChainPermutationAlignment(nn.Module):
    """The ground truth with the copies of each chain in the order in which a prediction has them, for any batch.

    Chains are copies if they have the same entity id and are bonded to the same; chains that are bonded together stay
    together. The tensors must hold the whole complex, and know nothing of atoms with arbitrary names: see
    `permute_labels` for crops and atoms.
    """

    def forward(
        self,
        pred_coords: Float[Tensor, "b m 3"],
        true_coords: Float[Tensor, "b m 3"],
        molecule_atom_lens: Int[Tensor, "b n"],
        molecule_atom_indices: Int[Tensor, "b n"] | None = None,
        token_bonds: Bool[Tensor, "b n n"] | None = None,
        additional_molecule_feats: Int[Tensor, "b n 5"] | None = None,
        is_molecule_types: Bool[Tensor, "b n 5"] | None = None,
        mask: Bool[Tensor, "b m"] | None = None,
        return_mask: bool = False,
    ):
        """The permuted true positions [b m 3], not moved; with `return_mask` also which of them are known [b m].

        `mask` marks atoms with a known position. `molecule_atom_indices` and `is_molecule_types` are accepted and not
        needed.
        """
        if additional_molecule_feats is None:
            raise ValueError("additional_molecule_feats is None; without it nothing is known of the chains")
        atom_mask, atom_to_token, _ = atom_layout(molecule_atom_lens.long().clamp_min(0), true_coords.shape[1])
        known = atom_mask if mask is None else atom_mask & mask
        residue, _, asym, entity, _ = additional_molecule_feats.long().unbind(-1)
        if token_bonds is None:
            token_bonds = torch.zeros((*asym.shape, asym.shape[1]), dtype=torch.bool, device=asym.device)
        truth = truth_of_tensors(true_coords, known, atom_to_token, residue, asym, entity, token_bonds.float())
        found = permute_labels(pred_coords, Labels(true_coords, known, truth=truth))
        return (found.positions, found.resolved) if return_mask else found.positions
