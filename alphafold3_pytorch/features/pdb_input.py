"""PDBInput to tensors. Its entry becomes a job like any other; where its atoms are goes into the labels alone."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from datetime import date, timedelta
from glob import escape
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Int

from alphafold3_pytorch.chem.residues import CLASSES
from alphafold3_pytorch.features.atom_input import (
    OPTIONS,
    Tensors,
    index_tensors,
    molecules,
    token_tensors,
    tokens_to_tensors,
)
from alphafold3_pytorch.features.crop import choose_tokens, crop_config, take_msa, take_templates, take_tokens
from alphafold3_pytorch.features.dense_templates import dense_templates
from alphafold3_pytorch.features.featurize import msa_tensors
from alphafold3_pytorch.features.labels import known_positions
from alphafold3_pytorch.features.layout import lay_out
from alphafold3_pytorch.features.msa import complex_msa, sequence_of
from alphafold3_pytorch.features.options import FeatureOptions
from alphafold3_pytorch.features.reference import ATOM_FEATURES
from alphafold3_pytorch.features.templates import template_atoms
from alphafold3_pytorch.features.tokens import Tokens, tokenize
from alphafold3_pytorch.inputs.alphafold3_input import AtomInput, FurtherInputs, MoleculeInput
from alphafold3_pytorch.inputs.build import build
from alphafold3_pytorch.inputs.job import Entity, Job, Protein, Rna, Template
from alphafold3_pytorch.inputs.mmcif import to_job
from alphafold3_pytorch.inputs.pdb_input import PDBInput
from alphafold3_pytorch.inputs.reading import read_text
from alphafold3_pytorch.search.hits import Hit, parse_hits
from alphafold3_pytorch.search.templates import TemplateLimits, templates_of
from alphafold3_pytorch.structure.mmcif import Entry, read_entry

logger = logging.getLogger(__name__)
APART = timedelta(days=60)  # in training, templates are older than the entry by this (SI 2.4)
READING = {item.name for item in fields(FurtherInputs)} & {item.name for item in fields(PDBInput)} - {"chains"}


@dataclass(frozen=True, eq=False)
class PdbComplex:
    """What a PDBInput stands for: the entry, the job to predict it, and everything that accompanies its tokens."""

    entry: Entry
    job: Job
    tokens: Tokens
    further: FurtherInputs


def pdb_input_to_atom_input(
    inputs: PDBInput,
    dim_atom_inputs: int = ATOM_FEATURES,
    atoms_per_window: int = 32,
    num_molecule_mods: int = 0,
    options: FeatureOptions = OPTIONS,
) -> AtomInput:
    """The tensors of the whole entry, or of a crop of it."""
    known = pdb_complex(inputs, options)
    sizes = dim_atom_inputs, atoms_per_window, num_molecule_mods
    tensors = tokens_to_tensors(known.tokens, known.further, inputs.seed, *sizes, options)
    return AtomInput(**tensors, chains=inputs.chains, filepath=str(inputs.path))


def pdb_input_to_molecule_input(inputs: PDBInput, options: FeatureOptions = OPTIONS) -> MoleculeInput:
    """The same as RDKit molecules, one for each residue or ligand."""
    known = pdb_complex(inputs, options)
    tokens, layout = known.tokens, lay_out(known.tokens, options)
    columns = token_tensors(tokens, 0)
    return MoleculeInput(
        molecules=molecules(tokens),
        molecule_token_pool_lens=columns.pop("molecule_atom_lens").tolist(),
        **columns,
        token_bonds=index_tensors(tokens, layout, options)["token_bonds"],
        molecule_atom_indices=(layout.centre - tokens.first_atom).tolist(),
        distogram_atom_indices=(layout.distogram - tokens.first_atom).tolist(),
        seed=inputs.seed,
        **{item.name: getattr(known.further, item.name) for item in fields(known.further)},
    )


def pdb_complex(inputs: PDBInput, options: FeatureOptions = OPTIONS) -> PdbComplex:
    """Reads everything that a PDBInput names."""
    entry = read_entry(inputs.path)
    options = replace(
        options,
        templates=inputs.num_templates_per_chain,
        msa_rows=options.msa_rows if inputs.max_msas_per_chain is None else inputs.max_msas_per_chain,
    )
    job = accompanied_job(inputs, entry, options)
    tokens = tokenize(build(job, options.build), options)
    if inputs.max_length is not None and len(tokens) > inputs.max_length:
        raise ValueError(f"{inputs.path} has {len(tokens)} tokens; max_length is {inputs.max_length}")
    chosen = _crop(tokens, entry, inputs, options)
    features = _alignment(tokens, job, inputs, options, chosen) | _templates(tokens, job, inputs, options, chosen)
    tokens = take_tokens(tokens, chosen)
    labels = {} if inputs.inference else _labels(tokens, entry, inputs)
    reading = {name: getattr(inputs, name) for name in READING - {"resolution"}}
    return PdbComplex(entry, job, tokens, FurtherInputs(**features, **labels, **reading))


def accompanied_job(inputs: PDBInput, entry: Entry, options: FeatureOptions = OPTIONS) -> Job:
    """The job to predict an entry, with the alignments and templates that a PDBInput names."""
    job = to_job(entry)
    if inputs.msa_dir is None and inputs.templates_dir is None:
        return job
    tokens = tokenize(build(job, options.build), options)
    return replace(job, entities=tuple(_accompanied(entity, entry, tokens, inputs) for entity in job.entities))


def _crop(tokens: Tokens, entry: Entry, inputs: PDBInput, options: FeatureOptions) -> Int[np.ndarray, "k"]:
    """Places of the tokens that are wanted: those of a random crop, or all."""
    if inputs.cropping_config is None:
        return np.arange(len(tokens))
    centres = known_positions(tokens.structure, entry.structure)[lay_out(tokens, options).centre]
    chains = [chain for chain in inputs.chains or () if chain]
    stream = np.random.default_rng([inputs.seed, 1])  # another one than that which draws templates
    return choose_tokens(tokens, centres, chains, crop_config(inputs.cropping_config), stream)


def _labels(tokens: Tokens, entry: Entry, inputs: PDBInput) -> dict[str, Any]:
    """Positions, and which atoms of each residue have none."""
    positions = known_positions(tokens.structure, entry.structure)
    missing = np.asarray(np.isnan(positions).any(axis=1))
    return {
        "atom_pos": torch.from_numpy(np.nan_to_num(positions)).float(),
        "missing_atom_indices": [
            np.flatnonzero(missing[atoms]).tolist() for _, _, atoms in tokens.structure.residues()
        ],
        "resolution": entry.resolution if inputs.resolution is None else inputs.resolution,
    }


def _alignment(
    tokens: Tokens, job: Job, inputs: PDBInput, options: FeatureOptions, chosen: Int[np.ndarray, "k"]
) -> Tensors:
    if inputs.msa_dir is None:
        return {}
    msa = take_msa(complex_msa(tokens, job, options), chosen)
    tensors = msa_tensors(msa)
    return {
        "msa": F.one_hot(tensors.rows[0], CLASSES).float(),
        "additional_msa_feats": tensors.features[0],
        "additional_token_feats": torch.from_numpy(np.column_stack([msa.profile, msa.deletion_mean])).float(),
    }


def _templates(
    tokens: Tokens, job: Job, inputs: PDBInput, options: FeatureOptions, chosen: Int[np.ndarray, "k"]
) -> Tensors:
    if inputs.templates_dir is None:
        return {}
    atoms = take_templates(template_atoms(tokens, job, options), chosen)
    return {
        "templates": dense_templates(atoms, tokens.asym_id[chosen]),
        "template_mask": torch.from_numpy(atoms.mask.any(axis=(1, 2))),
    }


def _accompanied(entity: Entity, entry: Entry, tokens: Tokens, inputs: PDBInput) -> Entity:
    """A polymer with its alignment and templates."""
    if isinstance(entity, Protein | Rna) and inputs.msa_dir is not None:
        files = list(_files(Path(inputs.msa_dir), entity, entry, inputs, "a3m", ("a3m",)))
        if not files:
            logger.warning("%s: chain %s has no alignment in %s", entry.id, entity.ids[0], inputs.msa_dir)
        entity = replace(entity, unpaired_msa="".join(_lines(file) for file in files))
    if isinstance(entity, Protein) and inputs.templates_dir is not None:
        entity = replace(entity, templates=_found_templates(entity, entry, tokens, inputs))
    return entity


def _lines(file: Path) -> str:
    text = read_text(file)
    return text if text.endswith("\n") else f"{text}\n"


def _files(
    folder: Path, entity: Entity, entry: Entry, inputs: PDBInput, below: str, endings: tuple[str, ...]
) -> Iterator[Path]:
    """Files of the first of an entity's chains that has any, by the two ways of naming them."""
    author = {chain.id: names.chain for chain, names in zip(entry.structure.chains, entry.authors, strict=True)}
    for chain in entity.ids:
        starts = f"{inputs.file_id}{chain}_", f"{entry.id.lower()}_{author[chain]}/{below}/"
        patterns = [
            f"{escape(start)}*.{ending}{packed}" for start in starts for ending in endings for packed in ("", ".gz")
        ]
        if found := sorted(file for pattern in patterns for file in folder.glob(pattern)):
            yield from found
            return


def _found_templates(entity: Protein, entry: Entry, tokens: Tokens, inputs: PDBInput) -> tuple[Template, ...]:
    folder = Path(inputs.templates_dir or "")
    files = list(_files(folder, entity, entry, inputs, "hhr", ("hhr", "sto", "a3m")))
    if not files and (bare := next(_files(folder, entity, entry, inputs, "m8", ("m8",)), None)):
        raise ValueError(f"{bare} has hits without their alignments; give hhr files, or hmmsearch's a3m or Stockholm")
    hits: list[Hit] = [hit for file in files for hit in parse_hits(read_text(file))]
    chain = next(chain for chain in tokens.structure.chains if chain.id == entity.ids[0])
    latest, most = inputs.cutoff_date, inputs.num_templates_per_chain
    if inputs.training:
        most = inputs.max_templates_per_chain
        if entry.released:
            latest = min(latest, (date.fromisoformat(entry.released) - APART).isoformat())
    limits = TemplateLimits(released_by=latest, most=most)
    found = templates_of(hits, sequence_of(tokens, chain), inputs.template_folder, limits)
    return _drawn(found, inputs) if inputs.training else found


def _drawn(templates: tuple[Template, ...], inputs: PDBInput) -> tuple[Template, ...]:
    """As many as a number between none and all of them, but not more than wanted, in any order (SI 2.4)."""
    stream = np.random.default_rng(inputs.seed)
    count = min(int(stream.integers(len(templates) + 1)), inputs.num_templates_per_chain)
    return tuple(templates[place] for place in stream.permutation(len(templates))[:count].tolist())
