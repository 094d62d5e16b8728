"""Choosing a checkpoint: how good are its structures of known complexes (SI 5.7)."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import nn

from alphafold3_pytorch.features.tensors import atom_layout
from alphafold3_pytorch.inputs.alphafold3_input import BatchedAtomInput
from alphafold3_pytorch.predict.scores.accessibility import accessible_areas, relative_areas
from alphafold3_pytorch.predict.scores.tensor_scores import ComputeConfidenceScore, array, protein_chains
from alphafold3_pytorch.shapes import Bool, Float, Int, Tensor
from alphafold3_pytorch.structure.bins import distogram_edges
from alphafold3_pytorch.structure.lddt import NUCLEIC_ACID_CUTOFF, OTHER_CUTOFF, group_lddt

KINDS = ("protein", "RNA", "DNA", "ligand", "metal_ion")  # of is_molecule_types
Weights = Mapping[str, Mapping[str, float | int]]

# The weight of each kind of lDDT in the mean over a validation set.
INITIAL_TRAINING: Weights = {
    "protein-protein": {"interface": 20, "intra-chain": 20},
    "DNA-protein": {"interface": 10},
    "RNA-protein": {"interface": 10},
    "ligand-protein": {"interface": 10},
    "DNA-ligand": {"interface": 5},
    "RNA-ligand": {"interface": 5},
    "DNA-DNA": {"interface": 4, "intra-chain": 4},
    "RNA-RNA": {"interface": 16, "intra-chain": 16},
    "DNA-RNA": {"interface": 4, "intra-chain": 4},
    "ligand-ligand": {"interface": 20, "intra-chain": 20},
    "metal_ion-metal_ion": {"interface": 10, "intra-chain": 10},
    "unresolved": {"unresolved": 10},
}
FINE_TUNING: Weights = {
    **INITIAL_TRAINING,
    "RNA-protein": {"interface": 2},
    "RNA-ligand": {"interface": 2},
    "metal_ion-metal_ion": {"interface": 0, "intra-chain": 0},
}

# Positions, logits of PDE, pLDDT, logits of the distogram.
Sample = tuple[Float[Tensor, "b m 3"], Float[Tensor, "b d n n"], Float[Tensor, "b m"], Float[Tensor, "b e n n"]]


class ScoredSample(NamedTuple):
    index: int
    positions: Float[Tensor, "b m 3"]
    plddt: Float[Tensor, "b m"]
    lddt: Float[Tensor, "b"]  # times the weight of its kind
    gpde: Float[Tensor, "b"]  # Å


class ScoreDetails(NamedTuple):
    best_gpde_index: int
    best_lddt_index: int
    score: Float[Tensor, "b"]
    scored_samples: list[ScoredSample]


class ComputeModelSelectionScore(nn.Module):
    """SI 5.7: the mean of the lDDT of the most confident sample (lowest global PDE) and that of the best sample.

    Every example is about one chain or about the interface of two. `dist_breaks` are the edges (Å) between the bins of
    the distogram, `contact_mask_threshold` (Å) is what counts as a contact, `weight_dict_config` replaces the weights
    of the paper, and a sphere has 2 `fibonacci_sphere_n` + 1 dots where surface is measured.
    """

    INITIAL_TRAINING_DICT, FINETUNING_DICT = INITIAL_TRAINING, FINE_TUNING
    dist_breaks: Tensor

    def __init__(
        self,
        eps: float = 1e-8,
        dist_breaks: Float[Tensor, "breaks"] | None = None,
        nucleic_acid_cutoff: float = NUCLEIC_ACID_CUTOFF,
        other_cutoff: float = OTHER_CUTOFF,
        contact_mask_threshold: float = 8.0,
        is_fine_tuning: bool = False,
        weight_dict_config: Weights | None = None,
        fibonacci_sphere_n: int = 200,
    ):
        super().__init__()
        self.compute_confidence_score = ComputeConfidenceScore(eps=eps)
        self.register_buffer("dist_breaks", distogram_edges()[1:-1] if dist_breaks is None else dist_breaks)
        self.eps, self.cutoffs, self.contact = eps, (nucleic_acid_cutoff, other_cutoff), contact_mask_threshold
        self.is_fine_tuning, self.weights, self.dots = is_fine_tuning, weight_dict_config, 2 * fibonacci_sphere_n + 1

    def forward(self, alphafolds: Sequence[nn.Module], batched_atom_inputs: BatchedAtomInput, **options: Any) -> Any:
        """The score of one sample of each model; `options` are those of `compute_model_selection_score`."""
        samples = [self.sample(model, batched_atom_inputs) for model in alphafolds]
        return self.compute_model_selection_score(batched_atom_inputs, samples, **options)

    @torch.no_grad()
    def sample(self, model: nn.Module, batch: BatchedAtomInput) -> Sample:
        positions, logits = model(
            **batch.model_forward_dict(),
            return_loss=False,
            return_confidence_head_logits=True,
            return_distogram_head_logits=True,
        )
        return positions, logits.pde, self.compute_confidence_score.compute_plddt(logits.plddt), logits.distance

    def compute_model_selection_score(
        self,
        batch: BatchedAtomInput,
        samples: Sequence[Sample],
        is_fine_tuning: bool | None = None,
        return_details: bool = False,
        return_unweighted_scores: bool = False,
        compute_rasa: bool = False,
        unresolved_cid: Sequence[int] | None = None,
        unresolved_residue_mask: Bool[Tensor, "b n"] | None = None,
        missing_chain_index: int = -1,
    ) -> Any:
        """The score [b] of a batch with true positions and `chains`, the asym_ids of one or two chains of each example.

        With `return_details` it comes as ScoreDetails. Which sample is the most confident and which the best is decided
        for the batch as a whole. `compute_rasa` takes the surface of unresolved residues into account
        (`compute_weighted_lddt`).
        """
        known = batch.dict()
        for name in ("atom_pos", "chains", "distogram_atom_indices"):
            if name not in known or any(value is None for value in known[name]):
                raise ValueError(f"the batch has no {name}, which the model selection score needs")
        asym_id = known["additional_molecule_feats"][..., 2]
        missing = known.get("missing_atom_mask", torch.zeros_like(known["atom_pos"][..., 0], dtype=torch.bool))
        chains = [[int(chain) for chain in row if chain != missing_chain_index] for row in known["chains"]]
        layout = asym_id, known["is_molecule_types"], known["molecule_atom_lens"]
        represented = (known["distogram_atom_indices"] >= 0) & (known["molecule_atom_lens"] > 0)
        scored = []
        for index, (positions, pde, plddt, distances) in enumerate(samples):
            lddt = self.compute_weighted_lddt(
                positions,
                known["atom_pos"],
                ~missing,
                *layout,
                chains_list=chains,
                is_fine_tuning=is_fine_tuning,
                unweighted=return_unweighted_scores,
                compute_rasa=compute_rasa,
                unresolved_cid=unresolved_cid,
                unresolved_residue_mask=unresolved_residue_mask,
                molecule_ids=known["molecule_ids"],
            )
            gpde = self.compute_gpde(pde, distances, self.dist_breaks, represented)
            scored.append(ScoredSample(index, positions, plddt, lddt, gpde))
        confident = int(torch.stack([each.gpde for each in scored]).nanmean(dim=-1).argmin())
        best = int(torch.stack([each.lddt for each in scored]).nanmean(dim=-1).nan_to_num(-1.0).argmax())
        score = (scored[confident].lddt + scored[best].lddt) / 2
        return ScoreDetails(confident, best, score, scored) if return_details else score

    def compute_gpde(
        self,
        pde_logits: Float[Tensor, "b d n n"],
        dist_logits: Float[Tensor, "b e n n"],
        dist_breaks: Float[Tensor, "breaks"],
        tok_repr_atm_mask: Bool[Tensor, "b n"],
    ) -> Float[Tensor, "b"]:
        """Equation 16, global PDE: the mean PDE (Å) of token pairs, weighted by their contact probability."""
        if len(dist_breaks) != dist_logits.shape[1] - 1:
            raise ValueError(
                f"dist_breaks has {len(dist_breaks)} edges between the {dist_logits.shape[1]} distance bins"
            )
        pde = self.compute_confidence_score.compute_pde(pde_logits, tok_repr_atm_mask)
        near = int((dist_breaks <= self.contact + 1e-3).sum())  # bins that end below the threshold
        contact = dist_logits.float().softmax(dim=1)[:, :near].sum(dim=1)
        contact = contact * (tok_repr_atm_mask[:, :, None] & tok_repr_atm_mask[:, None])
        return (pde * contact).sum((1, 2)) / (contact.sum((1, 2)) + self.eps)

    def compute_weighted_lddt(
        self,
        pred_coords: Float[Tensor, "b m 3"],
        true_coords: Float[Tensor, "b m 3"],
        atom_mask: Bool[Tensor, "b m"],
        asym_id: Int[Tensor, "b n"],
        is_molecule_types: Bool[Tensor, "b n 5"],
        molecule_atom_lens: Int[Tensor, "b n"],
        chains_list: Sequence[Sequence[int]],
        is_fine_tuning: bool | None = None,
        unweighted: bool = False,
        compute_rasa: bool = False,
        unresolved_cid: Sequence[int] | None = None,
        unresolved_residue_mask: Bool[Tensor, "b n"] | None = None,
        molecule_ids: Int[Tensor, "b n"] | None = None,
    ) -> Float[Tensor, "b"]:
        """lDDT of the chain or interface of each example times its weight; NaN where nothing of it is resolved.

        With `compute_rasa` the mean of that and of the weighted accessibility of what is unresolved: residues without
        positions are mostly disordered, and a prediction that folds them is wrong.
        """
        there, token, _ = atom_layout(molecule_atom_lens.clamp(min=0), pred_coords.shape[1])
        scores = []
        for row, chains in enumerate(chains_list):
            first, last = members(asym_id[row], chains)
            of_atom = token[row].clamp(min=0)
            lddt = self.compute_chain_pair_lddt(
                first[of_atom],
                last[of_atom],
                pred_coords[row],
                true_coords[row],
                is_molecule_types[row, of_atom],
                atom_mask[row] & there[row],
            )
            kinds = kind_of(is_molecule_types[row][first]), kind_of(is_molecule_types[row][last])
            lddt_type = "interface" if len(chains) == 2 else "intra-chain"
            scores.append(lddt if unweighted else lddt * self.get_lddt_weight(*kinds, lddt_type, is_fine_tuning))
        total = torch.stack(scores)
        if not compute_rasa:
            return total
        if unresolved_cid is None or unresolved_residue_mask is None or molecule_ids is None:
            raise ValueError("compute_rasa needs unresolved_cid, unresolved_residue_mask and molecule_ids")
        columns = unresolved_cid, unresolved_residue_mask, asym_id, molecule_ids, molecule_atom_lens, pred_coords, there
        rasa = self.compute_unresolved_rasa(*columns, is_fine_tuning=is_fine_tuning, unweighted=unweighted)
        return (total + rasa) / 2

    def compute_chain_pair_lddt(
        self,
        asym_mask_a: Bool[Tensor, "m"],
        asym_mask_b: Bool[Tensor, "m"],
        pred_coords: Float[Tensor, "m 3"],
        true_coords: Float[Tensor, "m 3"],
        is_molecule_types: Bool[Tensor, "m 5"],
        coords_mask: Bool[Tensor, "m"] | None = None,
    ) -> Float[Tensor, ""]:
        """lDDT of the pairs with one atom in each mask; of one chain, if it is both."""
        known = torch.ones_like(asym_mask_a) if coords_mask is None else coords_mask
        cutoff = torch.where(is_molecule_types[:, 1:3].any(-1), *self.cutoffs)
        return group_lddt(pred_coords, true_coords, asym_mask_a & known, asym_mask_b & known, cutoff)

    def get_lddt_weight(
        self, type_chain_a: int, type_chain_b: int, lddt_type: str, is_fine_tuning: bool | None = None
    ) -> float:
        """The weight of one kind of lDDT; an ion that faces another kind of chain counts as a ligand."""
        kinds = sorted((KINDS[type_chain_a], KINDS[type_chain_b]))
        if kinds[0] != kinds[1]:
            kinds = sorted("ligand" if kind == "metal_ion" else kind for kind in kinds)
        return self.weight("-".join(kinds), lddt_type, is_fine_tuning)

    def weight(self, kind: str, lddt_type: str, is_fine_tuning: bool | None) -> float:
        fine_tuning = self.is_fine_tuning if is_fine_tuning is None else is_fine_tuning
        weights = self.weights or (FINE_TUNING if fine_tuning else INITIAL_TRAINING)
        try:
            return float(weights[kind][lddt_type])
        except KeyError:
            raise ValueError(f"{kind} has no {lddt_type} weight; give one in weight_dict_config") from None

    def compute_unresolved_rasa(
        self,
        unresolved_cid: Sequence[int],
        unresolved_residue_mask: Bool[Tensor, "b n"],
        asym_id: Int[Tensor, "b n"],
        molecule_ids: Int[Tensor, "b n"],
        molecule_atom_lens: Int[Tensor, "b n"],
        atom_pos: Float[Tensor, "b m 3"],
        atom_mask: Bool[Tensor, "b m"],
        is_fine_tuning: bool | None = None,
        unweighted: bool = False,
    ) -> Float[Tensor, "b"]:
        """Mean relative accessible surface (0 to 1) of the unresolved residues of a protein, times the weight.

        It is that of the prediction. `unresolved_cid` is the asym_id of the protein in each example; NaN where all of
        it is resolved.
        """
        columns = atom_pos, atom_mask, molecule_atom_lens, asym_id, molecule_ids, unresolved_residue_mask
        found = [self.unresolved_rasa(chain, *row) for chain, *row in zip(unresolved_cid, *columns, strict=True)]
        return atom_pos.new_tensor(found) * (
            1.0 if unweighted else self.weight("unresolved", "unresolved", is_fine_tuning)
        )

    def unresolved_rasa(
        self,
        chain: int,
        positions: Float[Tensor, "m 3"],
        mask: Bool[Tensor, "m"],
        lengths: Int[Tensor, "n"],
        asym_id: Int[Tensor, "n"],
        molecule_ids: Int[Tensor, "n"],
        unresolved: Bool[Tensor, "n"],
    ) -> float:
        """Of one example."""
        mine, _ = members(asym_id, [chain])
        atoms = next(protein_chains(positions, mask, lengths, asym_id, mine, molecule_ids))
        residues, areas = accessible_areas(atoms, self.dots)
        relative = relative_areas(areas, [atoms.codes[place] for place in residues.tolist()])
        chosen = array(unresolved[mine])[residues]
        return float(relative[chosen].mean()) if chosen.any() else float("nan")


def members(asym_id: Int[Tensor, "n"], chains: Sequence[int]) -> tuple[Bool[Tensor, "n"], Bool[Tensor, "n"]]:
    """The tokens of the first and of the last of one or two chains."""
    if len(chains) not in (1, 2):
        raise ValueError(f"chains is {list(chains)}; an example is about one chain or the interface of two")
    for chain in chains:
        if not (asym_id == chain).any():
            raise ValueError(f"there is no chain with asym_id {chain}; there are {asym_id.unique().tolist()}")
    return asym_id == chains[0], asym_id == chains[-1]


def kind_of(is_molecule_types: Bool[Tensor, "n 5"]) -> int:
    """What most tokens of a chain are."""
    return int(is_molecule_types.sum(dim=0).argmax())
