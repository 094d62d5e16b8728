"""The scores of a prediction from the tensors that `Alphafold3` takes and returns, under the original's names.

Each class is a module without parameters; the numbers are made by the functions that score a `Sample`. Tokens whose
asym_id is negative are padding.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from alphafold3_pytorch.chem.residues import RESIDUES
from alphafold3_pytorch.features.tensors import atom_layout
from alphafold3_pytorch.predict.scores import expected_plddt, expected_value, interface_sizes, tm_terms
from alphafold3_pytorch.predict.scores.accessibility import RADII, ChainAtoms, fraction_disordered
from alphafold3_pytorch.predict.scores.blocks import chain_starts
from alphafold3_pytorch.predict.scores.clash import CLASH_COUNT, CLASH_DISTANCE, CLASH_RATIO, clashing_chains
from alphafold3_pytorch.predict.scores.confidence import chain_pair_tm, mean_of_others, ranking_score, tm_scores
from alphafold3_pytorch.shapes import Bool, Float, Int, Tensor
from alphafold3_pytorch.structure.bins import bin_centres, error_edges

POLYMER = slice(0, 3)  # of is_molecule_types: protein, RNA, DNA, ligand, ion
Logits = Any  # `ConfidenceHeadLogits` or `Alphafold3Logits`: pae, pde and plddt, channels first


class ConfidenceScore(NamedTuple):
    plddt: Float[Tensor, "b m"]  # 0 to 100
    ptm: Float[Tensor, "b"]
    iptm: Float[Tensor, "b"] | None  # NaN for an example of one chain


class ChainTerms(NamedTuple):
    """TM terms of one example without padding, its tokens sorted by chain."""

    terms: Float[np.ndarray, "n n"]
    framed: Bool[np.ndarray, "n"]
    starts: Int[np.ndarray, "c"]
    sizes: Float[np.ndarray, "c"]
    asym_ids: Int[np.ndarray, "c"]


class ComputeConfidenceScore(nn.Module):
    """pLDDT, pTM, ipTM and PDE from logits (SI 5.9.1).

    `pae_breaks` and `pde_breaks` are the lower edges (Å) of all bins but the last, equally spaced; by default the edges
    of the training labels. `eps` is accepted and not needed: nothing here is divided by a sum that can vanish.
    """

    pae_breaks: Tensor | None
    pde_breaks: Tensor | None

    def __init__(
        self,
        pae_breaks: Float[Tensor, "breaks"] | None = None,
        pde_breaks: Float[Tensor, "breaks"] | None = None,
        eps: float = 1e-8,
    ):
        super().__init__()
        self.eps = eps
        self.register_buffer("pae_breaks", pae_breaks)
        self.register_buffer("pde_breaks", pde_breaks)

    def forward(
        self,
        confidence_head_logits: Logits,
        asym_id: Int[Tensor, "b n"],
        has_frame: Bool[Tensor, "b n"],
        ptm_residue_weight: Float[Tensor, "b n"] | None = None,
        multimer_mode: bool = True,
    ) -> ConfidenceScore:
        known = pae_of(confidence_head_logits), asym_id, has_frame, ptm_residue_weight
        iptm = self.compute_ptm(*known, interface=True) if multimer_mode else None
        return ConfidenceScore(self.compute_plddt(confidence_head_logits.plddt), self.compute_ptm(*known), iptm)

    def compute_plddt(self, logits: Float[Tensor, "b d m"]) -> Float[Tensor, "b m"]:
        return expected_plddt(logits.movedim(1, -1).float())

    def compute_ptm(
        self,
        pae_logits: Float[Tensor, "b d n n"],
        asym_id: Int[Tensor, "b n"],
        has_frame: Bool[Tensor, "b n"],
        residue_weights: Float[Tensor, "b n"] | None = None,
        interface: bool = False,
        compute_chain_wise_iptm: bool = False,
    ) -> Any:
        """pTM or ipTM [b]; or ipTM of chain pairs [b c c], where it is defined, and the asym_id [b c] of each chain.

        A column counts with its `residue_weights`; rows of weight 0 are no frames.
        """
        weights = torch.ones_like(asym_id, dtype=torch.float32) if residue_weights is None else residue_weights
        rows = zip(pae_logits, asym_id, has_frame, weights, strict=True)
        found = [self.chain_terms(*row, by_pair=compute_chain_wise_iptm) for row in rows]
        if compute_chain_wise_iptm:
            return chain_wise(found, pae_logits.device)
        scores = [tm_scores(each.terms, each.framed, each.starts, each.sizes)[int(interface)] for each in found]
        return pae_logits.new_tensor(scores, dtype=torch.float32)

    @torch.no_grad()
    def chain_terms(
        self,
        pae_logits: Float[Tensor, "d n n"],
        asym_id: Int[Tensor, "n"],
        has_frame: Bool[Tensor, "n"],
        weights: Float[Tensor, "n"],
        by_pair: bool,
    ) -> ChainTerms:
        """d0 comes from the size of the example, or with `by_pair` from the sizes of the two chains."""
        real = (asym_id >= 0).nonzero()[:, 0]
        order = real[asym_id[real].argsort(stable=True)]
        asym, weight = asym_id[order], weights[order].float()
        logits = pae_logits[:, order][:, :, order].movedim(0, -1).float()
        sizes = interface_sizes(asym, torch.ones_like(asym, dtype=torch.bool)) if by_pair else len(order)
        terms = tm_terms(logits, sizes, bin_middles(self.pae_breaks, logits.shape[-1])) * weight
        starts = chain_starts(array(asym))
        framed = array(has_frame[order] & (weight > 0))
        return ChainTerms(
            array(terms), framed, starts, np.add.reduceat(array(weight.double()), starts), array(asym)[starts]
        )

    def compute_pde(
        self, pde_logits: Float[Tensor, "b d n n"], tok_repr_atm_mask: Bool[Tensor, "b n"]
    ) -> Float[Tensor, "b n n"]:
        """Expected error (Å) of the distance of two tokens; 0 where a token has no atom to stand for it."""
        logits = pde_logits.movedim(1, -1).float()
        error = expected_value(logits, bin_middles(self.pde_breaks, logits.shape[-1]))
        return error * (tok_repr_atm_mask[:, :, None] & tok_repr_atm_mask[:, None])


class ComputeClash(nn.Module):
    """Whether chains lie on top of each other or of themselves (SI 5.9.2); neighbouring tokens may touch."""

    def __init__(
        self,
        atom_clash_dist: float = CLASH_DISTANCE,
        chain_clash_count: int = CLASH_COUNT,
        chain_clash_ratio: float = CLASH_RATIO,
    ):
        super().__init__()
        self.limits = atom_clash_dist, chain_clash_count, chain_clash_ratio

    def forward(
        self,
        atom_pos: Float[Tensor, "*b m 3"],
        atom_mask: Bool[Tensor, "*b m"],
        molecule_atom_lens: Int[Tensor, "*b n"],
        asym_id: Int[Tensor, "*b n"],
        is_molecule_types: Bool[Tensor, "*b n 5"] | None = None,
    ) -> Bool[Tensor, "b"]:
        """With `is_molecule_types` only polymers count, as in the paper; without it all atoms do."""
        if atom_pos.ndim == 2:
            atom_pos, atom_mask, molecule_atom_lens, asym_id = (
                x[None] for x in (atom_pos, atom_mask, molecule_atom_lens, asym_id)
            )
            is_molecule_types = None if is_molecule_types is None else is_molecule_types[None]
        there, token, _ = atom_layout(molecule_atom_lens.clamp(min=0), atom_pos.shape[1])
        counted = atom_mask & there
        if is_molecule_types is not None:
            counted &= is_molecule_types[..., POLYMER].any(-1).gather(1, token.clamp(min=0))
        chain = asym_id.gather(1, token.clamp(min=0))
        rows = zip(atom_pos, chain, token, counted, strict=True)
        found = [
            bool(clashing_chains(array(x[mask]), array(of[mask]), array(token[mask]), *self.limits))
            for x, of, token, mask in rows
        ]
        return torch.tensor(found, device=atom_pos.device)


class ComputeRankingScore(nn.Module):
    """SI 5.9.3: one number per example by which samples are put in order."""

    def __init__(
        self,
        eps: float = 1e-8,
        score_iptm_weight: float = 0.8,
        score_ptm_weight: float = 0.2,
        score_disorder_weight: float = 0.5,
    ):
        super().__init__()
        self.compute_clash = ComputeClash()
        self.compute_confidence_score = ComputeConfidenceScore(eps=eps)
        self.weights = score_iptm_weight, score_ptm_weight, score_disorder_weight

    def compute_disorder(
        self,
        atom_pos: Float[Tensor, "b m 3"],
        atom_mask: Bool[Tensor, "b m"],
        molecule_atom_lens: Int[Tensor, "b n"],
        asym_id: Int[Tensor, "b n"],
        is_molecule_types: Bool[Tensor, "b n 5"],
        molecule_ids: Int[Tensor, "b n"] | None = None,
    ) -> Float[Tensor, "b"]:
        """The part of the protein residues that is as accessible to water as an unfolded chain."""
        if molecule_ids is None:
            if (is_molecule_types[..., 0] & (molecule_atom_lens >= len(RADII))).any():
                raise ValueError("molecule_ids is needed to know how large the residues of the proteins are; pass it")
            molecule_ids = torch.zeros_like(asym_id)
        columns = atom_pos, atom_mask, molecule_atom_lens, asym_id, is_molecule_types[..., 0], molecule_ids
        found = [fraction_disordered(protein_chains(*row)) for row in zip(*columns, strict=True)]
        return atom_pos.new_tensor(found)

    def compute_full_complex_metric(
        self,
        confidence_head_logits: Logits,
        asym_id: Int[Tensor, "b n"],
        has_frame: Bool[Tensor, "b n"],
        molecule_atom_lens: Int[Tensor, "b n"],
        atom_pos: Float[Tensor, "b m 3"],
        atom_mask: Bool[Tensor, "b m"],
        is_molecule_types: Bool[Tensor, "b n 5"],
        return_confidence_score: bool = False,
        molecule_ids: Int[Tensor, "b n"] | None = None,
    ) -> Any:
        """Equation 19 [b], with `return_confidence_score` and (ConfidenceScore, has_clash [b]) beside it.

        `molecule_ids` (residue types) is needed where there are proteins.
        """
        scores = self.compute_confidence_score(confidence_head_logits, asym_id, has_frame)
        clash = self.compute_clash(atom_pos, atom_mask, molecule_atom_lens, asym_id, is_molecule_types)
        disorder = self.compute_disorder(
            atom_pos, atom_mask, molecule_atom_lens, asym_id, is_molecule_types, molecule_ids
        )
        rows = zip(scores.ptm.tolist(), scores.iptm.tolist(), disorder.tolist(), clash.tolist(), strict=True)
        metric = scores.ptm.new_tensor([ranking_score(*row, self.weights) for row in rows])
        return (metric, (scores, clash)) if return_confidence_score else metric

    def compute_single_chain_metric(
        self, confidence_head_logits: Logits, asym_id: Int[Tensor, "b n"], has_frame: Bool[Tensor, "b n"]
    ) -> Float[Tensor, "b"]:
        """pTM."""
        return self.compute_confidence_score.compute_ptm(pae_of(confidence_head_logits), asym_id, has_frame)

    def compute_interface_metric(
        self,
        confidence_head_logits: Logits,
        asym_id: Int[Tensor, "b n"],
        has_frame: Bool[Tensor, "b n"],
        interface_chains: Sequence[Sequence[int]],
    ) -> Float[Tensor, "b"]:
        """Equation 20: R(C), the mean ipTM of a chain with each other chain, averaged over the chains (asym_id) given.

        `interface_chains` has one or two chains for each example.
        """
        pairs, defined, ids = self.compute_confidence_score.compute_ptm(
            pae_of(confidence_head_logits), asym_id, has_frame, compute_chain_wise_iptm=True
        )
        pairs = array(pairs.masked_fill(~defined, torch.nan))
        found = []
        for example, chains in enumerate(interface_chains):
            places = [place_of(ids[example].tolist(), chain) for chain in chains]
            found.append(float(mean_of_others(pairs[example])[places].mean()))
        return asym_id.new_tensor(found, dtype=torch.float32)

    def compute_modified_residue_score(
        self,
        confidence_head_logits: Logits,
        atom_mask: Bool[Tensor, "b m"],
        atom_is_modified_residue: Int[Tensor, "b m"] | Bool[Tensor, "b m"],
    ) -> Float[Tensor, "b"]:
        """Mean pLDDT of the atoms of modified residues; NaN without any."""
        plddt = self.compute_confidence_score.compute_plddt(confidence_head_logits.plddt)
        return plddt.masked_fill(~(atom_mask & atom_is_modified_residue.bool()), torch.nan).nanmean(dim=-1)


def pae_of(logits: Logits) -> Float[Tensor, "b d n n"]:
    if logits.pae is None:
        raise ValueError("the logits have no PAE, so there is no pTM; give the model atom_indices_for_frame")
    return logits.pae


def array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().cpu().numpy()


def bin_middles(breaks: Float[Tensor, "breaks"] | None, bins: int) -> Float[Tensor, "bins"]:
    """The middle (Å) of each bin: the bins of the labels, or those with these lower edges."""
    if breaks is None:
        return bin_centres(error_edges(bins))
    if len(breaks) != bins - 1:
        raise ValueError(f"{bins} bins have {bins - 1} breaks between them, not {len(breaks)}")
    step = breaks[-1:] - breaks[-2:-1]
    return bin_centres(torch.cat([breaks, breaks[-1:] + step, breaks[-1:] + 2 * step]))


def chain_wise(
    examples: Sequence[ChainTerms], device: torch.device
) -> tuple[Float[Tensor, "b c c"], Bool[Tensor, "b c c"], Int[Tensor, "b c"]]:
    """ipTM of chain pairs and where it is defined, padded to the largest number of chains; asym_id -1 is padding."""
    count = max(len(each.asym_ids) for each in examples)
    values = torch.zeros(len(examples), count, count)
    ids = torch.full((len(examples), count), -1)
    for row, each in enumerate(examples):
        size = len(each.asym_ids)
        pairs = chain_pair_tm(each.terms, each.framed, each.starts, each.sizes)
        values[row, :size, :size] = torch.from_numpy(np.where(np.eye(size, dtype=bool), np.nan, pairs))
        ids[row, :size] = torch.from_numpy(each.asym_ids)
    there = ids >= 0
    defined = ~values.isnan() & there[:, :, None] & there[:, None] & ~torch.eye(count, dtype=torch.bool)
    return values.nan_to_num().to(device), defined.to(device), ids.to(device)


def place_of(ids: Sequence[int], chain: int) -> int:
    if chain not in ids:
        raise ValueError(f"there is no chain with asym_id {chain}; there are {', '.join(map(str, ids))}")
    return list(ids).index(chain)


def protein_chains(
    positions: Float[Tensor, "m 3"],
    mask: Bool[Tensor, "m"],
    lengths: Int[Tensor, "n"],
    asym_id: Int[Tensor, "n"],
    is_protein: Bool[Tensor, "n"],
    molecule_ids: Int[Tensor, "n"],
) -> Iterator[ChainAtoms]:
    """Proteins of one example. The atoms of a residue that is one token begin with its backbone: N CA C O."""
    there, token, slot = (each[0] for each in atom_layout(lengths[None].clamp(min=0), len(positions)))
    whole = array(lengths >= len(RADII))
    for chain in torch.unique(asym_id[is_protein & (lengths > 0)]).tolist():
        members = array((asym_id == chain) & is_protein).nonzero()[0]
        atoms = array(mask & there) & np.isin(array(token), members)
        place = np.where(whole[array(token)[atoms]], array(slot)[atoms], len(RADII))
        names = np.array([*RADII, ""])[np.minimum(place, len(RADII))]
        codes = tuple(RESIDUES[index].name for index in molecule_ids[members].tolist())
        yield ChainAtoms(codes, np.searchsorted(members, array(token)[atoms]), names, array(positions)[atoms])
