"""A job to the FeatureBatch that the network reads: the list of steps, one room each."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from alphafold3_pytorch.features import windows
from alphafold3_pytorch.features.batch import FeatureBatch, Msa, Templates
from alphafold3_pytorch.features.bonds import Bonds, bond_matrix, find_bonds
from alphafold3_pytorch.features.frames import frame_atoms
from alphafold3_pytorch.features.layout import SLOTS, Layout, lay_out
from alphafold3_pytorch.features.msa import MOST_DELETIONS, ComplexMsa, complex_msa
from alphafold3_pytorch.features.options import PAPER, FeatureOptions, bucket_size
from alphafold3_pytorch.features.reference import atom_features, reference_positions
from alphafold3_pytorch.features.templates import TemplateAtoms, template_atoms
from alphafold3_pytorch.features.tokens import KINDS, Tokens, tokenize
from alphafold3_pytorch.inputs.build import build
from alphafold3_pytorch.inputs.job import Job


@dataclass(frozen=True, eq=False)
class Complex:
    """Everything that is known of a job before it becomes tensors."""

    job: Job
    options: FeatureOptions
    tokens: Tokens
    layout: Layout
    positions: np.ndarray  # of the reference conformers
    frames: np.ndarray
    bonds: Bonds
    msa: ComplexMsa
    templates: TemplateAtoms


def featurize(job: Job, seed: int | None = None, options: FeatureOptions = PAPER) -> FeatureBatch:
    """A batch of one. The seed (default: the job's first) decides about the reference conformers and nothing else."""
    return assemble(prepare(job, seed, options))


def prepare(job: Job, seed: int | None = None, options: FeatureOptions = PAPER) -> Complex:
    structure = build(job, options.build)
    tokens = tokenize(structure, options)
    return Complex(
        job=job,
        options=options,
        tokens=tokens,
        layout=lay_out(tokens, options),
        positions=reference_positions(tokens, job.seeds[0] if seed is None else seed, options),
        frames=frame_atoms(tokens, options),
        bonds=find_bonds(tokens, options),
        msa=complex_msa(tokens, job, options),
        templates=template_atoms(tokens, job, options),
    )


def assemble(known: Complex) -> FeatureBatch:
    """Tensors with a batch axis of one; atoms are padded to whole windows."""
    tokens, layout, options = known.tokens, known.layout, known.options
    structure = tokens.structure
    pad = padded_atoms(len(structure), options) - len(structure)
    atoms = lambda array, value=0: F.pad(torch.from_numpy(array), (0, pad), value=value)[None]  # noqa: E731
    features = atom_features(known.positions, structure.elements, structure.charges, structure.names)
    atom_mask = atoms(np.ones(len(structure), bool))
    keys, pairs = local_windows(known, atom_mask, pad)
    return FeatureBatch(
        token_mask=torch.ones(1, len(tokens), dtype=torch.bool),
        restype=batched(tokens.restype),
        residue_index=batched(tokens.residue_index),
        token_index=batched(tokens.token_index),
        asym_id=batched(tokens.asym_id),
        entity_id=batched(tokens.entity_id),
        sym_id=batched(tokens.sym_id),
        molecule_type=batched(tokens.kind[:, None] == np.arange(len(KINDS))),
        token_features=batched(np.column_stack([known.msa.profile, known.msa.deletion_mean]).astype(np.float32)),
        token_bonds=batched(bond_matrix(tokens, known.bonds, options)),
        atom_mask=atom_mask,
        atom_features=F.pad(torch.from_numpy(features), (0, 0, 0, pad))[None],
        atom_to_token=atoms(tokens.atom_to_token, -1),
        atom_slot=atoms(layout.slot),
        key_index=keys,
        atompair_features=pairs,
        centre_atom=batched(layout.centre),
        distogram_atom=batched(layout.distogram),
        frame_atoms=batched(known.frames),
        msa=msa_tensors(known.msa),
        templates=template_tensors(known.templates) if options.templates else None,
    )


def batched(array: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array))[None]


def padded_atoms(count: int, options: FeatureOptions) -> int:
    """Whole windows; with official windows room for one padding atom where small complexes attend to it."""
    if options.windows == "official" and count < options.keys:
        count = options.keys
    return -(-count // options.queries) * options.queries


def local_windows(known: Complex, atom_mask: Tensor, pad: int) -> tuple[Tensor, Tensor]:
    """The keys of every window of atoms, and the features of the pairs in it."""
    options = known.options
    space = F.pad(torch.from_numpy(known.tokens.space[known.tokens.atom_to_token]), (0, pad), value=-1)[None]
    points = F.pad(torch.from_numpy(known.positions), (0, 0, 0, pad))[None]
    if options.windows != "official":
        keys = windows.key_index(atom_mask, options.queries, options.keys, inside=options.windows == "inside")
        return keys, windows.atompair_features(points, space, keys)
    keys = windows.official_key_index(atom_mask, options.queries, options.keys)
    through = official_key_space(known, atom_mask.shape[1])
    return keys, windows.atompair_features(points, space.clamp(min=0), keys, through)


def official_key_space(known: Complex, atoms: int) -> Tensor:
    """Conformers of the keys as the official weights know them: atom f has that of the f-th slot of all tokens.

    A padding atom has that of the last slot, which is 0 where tokens are padded to a bucket.
    """
    space, tokens = known.tokens.space, known.tokens
    count = len(tokens.structure)
    padded = bucket_size(len(tokens), known.options.buckets) > len(tokens)
    through = np.full(atoms, 0 if padded else space[-1])
    through[:count] = space[np.arange(count) // SLOTS]
    return batched(through)


def msa_tensors(msa: ComplexMsa) -> Msa:
    """Deletions as in SI Table 5."""
    counts = torch.arange(MOST_DELETIONS + 1, dtype=torch.float32)
    of_count = torch.stack([counts.clamp(0, 1), torch.arctan(counts / 3) * (2 / torch.pi)], dim=-1)
    features = F.embedding(torch.from_numpy(msa.deletions).int(), of_count)
    return Msa(batched(msa.rows).long(), features[None], torch.ones(1, *msa.rows.shape, dtype=torch.bool))


def template_tensors(templates: TemplateAtoms) -> Templates:
    beta, beta_mask = templates.pseudo_beta()
    backbone, mask = templates.backbone()
    return Templates(*(batched(array) for array in (templates.restype, beta, beta_mask, backbone, mask)))
