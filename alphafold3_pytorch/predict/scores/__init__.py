"""Scores of a predicted structure from the logits of the heads (SI 5.9)."""

import torch

from alphafold3_pytorch.shapes import Bool, Float, Int, Tensor
from alphafold3_pytorch.structure.bins import bin_centres, error_edges


def expected_value(logits: Float[Tensor, "*b d"], centres: Float[Tensor, "d"]) -> Float[Tensor, "*b"]:
    """The mean of the predicted distribution over bins."""
    return logits.softmax(dim=-1) @ centres.to(logits)


def expected_error(logits: Float[Tensor, "*b d"]) -> Float[Tensor, "*b"]:
    """PAE or PDE (Å) from logits over equal bins of 0.5 Å."""
    return expected_value(logits, bin_centres(error_edges(logits.shape[-1])))


def expected_plddt(logits: Float[Tensor, "*b d"]) -> Float[Tensor, "*b"]:
    """pLDDT, 0 to 100."""
    bins = logits.shape[-1]
    return 100 * expected_value(logits, (torch.arange(bins) + 0.5) / bins)


def contact_probability(
    logits: Float[Tensor, "*b d"], first_break: float = 2.3125, last_break: float = 21.6875, cutoff: float = 8.001
) -> Float[Tensor, "*b"]:
    """Probability that two tokens are closer than 8 Å: bins whose upper end lies below `cutoff` (Å)."""
    breaks = torch.linspace(first_break, last_break, logits.shape[-1] - 1, dtype=torch.float64)
    near = torch.cat([breaks <= cutoff, breaks.new_zeros(1, dtype=torch.bool)])
    return expected_value(logits, near.to(logits.dtype))


def tm_terms(
    pae_logits: Float[Tensor, "*b i j d"],
    sizes: Int[Tensor, "... i j"] | int,
    centres: Float[Tensor, "d"] | None = None,
) -> Float[Tensor, "*b i j"]:
    """Expected TM-score term 1 / (1 + (error / d0)^2) of each token pair, d0 from the number of residues (SI 5.9.1).

    `centres` (Å) are those of the PAE bins; by default bins of 0.5 Å.
    """
    centres = bin_centres(error_edges(pae_logits.shape[-1])) if centres is None else centres
    count = torch.as_tensor(sizes, device=pae_logits.device).clamp(min=19).to(pae_logits.dtype)
    d0 = (1.24 * (count - 15) ** (1 / 3) - 1.8)[..., None]
    return (pae_logits.softmax(dim=-1) / (1 + (centres.to(pae_logits) / d0) ** 2)).sum(dim=-1)


def interface_sizes(asym_id: Int[Tensor, "n"], mask: Bool[Tensor, "n"]) -> Int[Tensor, "n n"]:
    """Number of tokens in the two chains of a token pair; of the one chain if they share it."""
    same = (asym_id[:, None] == asym_id[None]) & mask[None]
    size = same.sum(dim=1)
    both = size[:, None] + size[None]
    return both - (asym_id[:, None] == asym_id[None]) * (both // 2)
