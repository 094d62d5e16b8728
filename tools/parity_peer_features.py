"""Feature dictionaries of Protenix and OpenFold3 as a FeatureBatch."""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from alphafold3_pytorch.features import windows
from alphafold3_pytorch.features.batch import DenseTemplates, FeatureBatch, Msa
from alphafold3_pytorch.models.network import Network


def atoms_of(network: Network, features: Mapping[str, Tensor], element: Tensor, inside: bool) -> dict[str, Tensor]:
    """Atom fields of a FeatureBatch, padded to whole windows. `element` is one-hot by atomic number."""
    config = network.config.atoms
    count = len(features["ref_pos"])
    pad = -count % config.queries
    charge = torch.arcsinh(features["ref_charge"].float())[:, None]
    names = features["ref_atom_name_chars"].flatten(1).float()
    mask = features["ref_mask"][:, None].float()
    atom_features = torch.cat([features["ref_pos"], mask, element, charge, names], dim=1)
    atom_mask = F.pad(torch.ones(count, dtype=torch.bool), (0, pad))[None]
    positions = F.pad(features["ref_pos"], (0, 0, 0, pad))[None]
    space = F.pad(features["ref_space_uid"].long(), (0, pad), value=-1)[None]
    keys = windows.key_index(atom_mask, config.queries, config.keys, inside=inside)
    return dict(
        atom_mask=atom_mask,
        atom_features=F.pad(atom_features, (0, 0, 0, pad))[None],
        key_index=keys,
        atompair_features=windows.atompair_features(positions, space, keys),
    )


def tokens_of(features: Mapping[str, Tensor]) -> dict[str, Tensor]:
    names = ("residue_index", "token_index", "asym_id", "entity_id", "sym_id")
    tokens = {name: features[name].long()[None] for name in names}
    count = len(features["residue_index"])
    return tokens | dict(
        token_mask=torch.ones(1, count, dtype=torch.bool),
        restype=features["restype"].argmax(dim=-1)[None],
        token_features=torch.cat([features["profile"], features["deletion_mean"][:, None]], dim=-1)[None],
        token_bonds=features["token_bonds"].float()[None],
        molecule_type=torch.zeros(1, count, 5, dtype=torch.bool),
        centre_atom=torch.full((1, count), -1),
        frame_atoms=torch.full((1, count, 3), -1),
    )


def template_features(features, aatype, beta_mask, frame_mask, same_chain: Tensor) -> Tensor:
    """All 108 template features, zero between chains where they should be."""
    n = aatype.shape[1]
    parts = [
        features["template_distogram"] * same_chain[..., None],
        (beta_mask * same_chain)[..., None],
        aatype[:, None].expand(-1, n, -1, -1),
        aatype[:, :, None].expand(-1, -1, n, -1),
        features["template_unit_vector"] * same_chain[..., None],
        (frame_mask * same_chain)[..., None],
    ]
    return torch.cat([part.float() for part in parts], dim=-1)[None]


def protenix_batch(features: Mapping[str, Tensor], network: Network) -> FeatureBatch:
    element = F.one_hot((features["ref_element"].argmax(dim=-1) + 1) % 128, 128).float()
    atoms = atoms_of(network, features, element, inside=False)
    pad = atoms["atom_mask"].shape[1] - len(features["ref_pos"])
    present = F.pad(features["ref_mask"], (0, pad))[None, :, None]
    atoms["atom_features"] = atoms["atom_features"] * present
    to_token = F.pad(features["atom_to_token_idx"].long(), (0, pad), value=-1)[None]
    representative = torch.nonzero(features["distogram_rep_atom_mask"]).flatten()[None]
    same_chain = (features["asym_id"][:, None] == features["asym_id"][None]).float()
    templates = None
    if "template_aatype" in features:
        aatype = F.one_hot(features["template_aatype"].long(), 32)
        masks = features["template_pseudo_beta_mask"], features["template_backbone_frame_mask"]
        pairs = template_features(features, aatype, *masks, same_chain)
        templates = DenseTemplates(pairs, torch.ones(1, pairs.shape[1], dtype=torch.bool))
    extra = {}
    if "esm_token_embedding" in features:
        extra["token_embedding"] = features["esm_token_embedding"][None]
    if "constraint_feature.pocket" in features:
        names = ("pocket", "contact", "contact_atom")
        extra["constraints"] = torch.cat([features[f"constraint_feature.{name}"] for name in names], dim=-1)[None]
        extra["substructure"] = features["constraint_feature.substructure"][None].float()
    return FeatureBatch(
        **tokens_of(features),
        **atoms,
        atom_to_token=to_token,
        atom_slot=F.pad(features["atom_to_tokatom_idx"].long(), (0, pad))[None],
        distogram_atom=representative,
        msa=msa_of(features),
        templates=templates,
        extra=extra,
    )


def msa_of(features: Mapping[str, Tensor]) -> Msa | None:
    """Rows as indices or one-hot, masked or not."""
    if "msa" not in features:
        return None
    rows = features["msa"] if features["msa"].ndim == 2 else features["msa"].argmax(dim=-1)
    mask = features["msa_mask"].bool() if "msa_mask" in features else torch.ones_like(rows, dtype=torch.bool)
    deletions = torch.stack([features["has_deletion"], features["deletion_value"]], dim=-1)
    return Msa(rows.long()[None], deletions.float()[None], mask[None])


def openfold_batch(features: Mapping[str, Tensor], network: Network) -> FeatureBatch:
    element = F.pad(features["ref_element"].float(), (1, 128 - 119 - 1))
    atoms = atoms_of(network, features, element, inside=True)
    pad = atoms["atom_mask"].shape[1] - len(features["ref_pos"])
    to_token = features["atom_to_token_index"].long()
    slot = torch.arange(len(to_token)) - features["start_atom_index"].long()[to_token]
    same_chain = (features["asym_id"][:, None] == features["asym_id"][None]).float()
    templates = None
    if "template_restype" in features:
        square = lambda mask: mask[:, :, None] * mask[:, None]  # noqa: E731
        masks = square(features["template_pseudo_beta_mask"]), square(features["template_backbone_frame_mask"])
        pairs = template_features(features, features["template_restype"], *masks, same_chain)
        templates = DenseTemplates(pairs, torch.ones(1, pairs.shape[1], dtype=torch.bool))
    extra = {"cyclic": features["cyclic_mask"].bool()[None]} if "cyclic_mask" in features else {}
    return FeatureBatch(
        **tokens_of(features),
        **atoms,
        atom_to_token=F.pad(to_token, (0, pad), value=-1)[None],
        atom_slot=F.pad(slot, (0, pad))[None],
        distogram_atom=openfold_representatives(features)[None],
        msa=msa_of(features),
        templates=templates,
        extra=extra,
    )


def openfold_representatives(features: Mapping[str, Tensor]) -> Tensor:
    """CB (CA of GLY), C4 of purines, C2 of pyrimidines, the atom of an atomised token; atom 0 where none is known."""
    codes = features["ref_atom_name_chars"].argmax(dim=-1)
    names = ["".join(chr(code + 32) for code in row).strip() for row in codes.tolist()]
    restypes = features["restype"].argmax(dim=-1).tolist()
    wanted = dict.fromkeys(range(21), "CB") | {7: "CA"}
    wanted |= dict.fromkeys((21, 22, 26, 27), "C4") | dict.fromkeys((23, 24, 28, 29), "C2")
    chosen = []
    for token, start in enumerate(features["start_atom_index"].tolist()):
        count = int(features["num_atoms_per_token"][token])
        inside = names[start : start + count]
        name = wanted.get(restypes[token])
        at = start + inside.index(name) if name in inside else 0
        chosen.append(start if features["is_atomized"][token] else at)
    return torch.tensor(chosen)
