"""Template pair features as one tensor, for the argument `templates` of `Alphafold3.forward`."""

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Int

from alphafold3_pytorch.chem.residues import CLASSES
from alphafold3_pytorch.features.templates import TemplateAtoms
from alphafold3_pytorch.shapes import Float, Tensor
from alphafold3_pytorch.structure.geometry import rigid_from_3_points, unit

LOWER = torch.linspace(3.25, 50.75, 39)  # Å, lower edges of the bins of distances; the last one is open


def dense_templates(atoms: TemplateAtoms, asym_id: Int[np.ndarray, "n"]) -> Float[Tensor, "t n n f"]:
    """Distogram 39, pseudo-beta mask, classes of j and of i, unit vector 3, frame mask, within chains (SI Table 5)."""
    beta, beta_known = (torch.from_numpy(array) for array in atoms.pseudo_beta())
    backbone, backbone_known = (torch.from_numpy(array) for array in atoms.backbone())
    chains = torch.from_numpy(asym_id)
    same = chains[:, None] == chains
    beta_pairs, frame_pairs = (
        (known[:, :, None] & known[:, None] & same)[..., None] for known in (beta_known, backbone_known)
    )
    bins = torch.bucketize(torch.cdist(beta, beta), LOWER)  # 0 below the first
    distogram = F.one_hot(bins, len(LOWER) + 1)[..., 1:]
    rotation, alpha = rigid_from_3_points(backbone)
    directions = unit(torch.einsum("tixc,tijx->tijc", rotation, alpha[:, None] - alpha[:, :, None]))
    classes = F.one_hot(torch.from_numpy(atoms.restype), CLASSES)
    count = classes.shape[1]
    parts = [
        distogram * beta_pairs,
        beta_pairs,
        classes[:, None].expand(-1, count, -1, -1),
        classes[:, :, None].expand(-1, -1, count, -1),
        directions * frame_pairs,
        frame_pairs,
    ]
    return torch.cat([part.float() for part in parts], dim=-1)
