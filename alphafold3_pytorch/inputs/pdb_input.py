"""The input class of the README for deposited structures. `features.pdb_input` turns it into tensors."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

SUFFIXES = (".cif", ".cif.gz", ".bcif", ".bcif.gz")


@dataclass(kw_only=True)
class PDBInput:
    """An entry of the PDB with its alignments and templates. Its positions are labels, and in no input feature.

    Alignments and template hits of a chain are looked for under two names: `{file}{chain}_*.a3m` with the file's name
    and the chain's `label_asym_id`, and `{entry}_{chain}/a3m/*.a3m` (`.../hhr/*.hhr`) with the authors' chain id.
    Hits may be hhr or hmmsearch's a3m or Stockholm; all files may be gzipped.
    """

    mmcif_filepath: str | Path
    chains: tuple[str | None, str | None] | None = None  # the chain, or the two of an interface, to crop around
    # n_res (tokens, 384), n_atoms, contiguous_weight, spatial_weight, spatial_interface_weight; None: the whole entry
    cropping_config: Mapping[str, float | int] | None = None
    msa_dir: str | Path | None = None
    templates_dir: str | Path | None = None  # hits
    # mmCIF files of the templates; by default the folder of the entry, or the one above if its files are sorted into
    # folders by the middle letters of their ids
    distillation_template_mmcif_dir: str | Path | None = None
    training: bool = False  # templates are drawn at random, and must be 60 days older than the entry
    inference: bool = False  # without labels
    resolution: float | None = None  # Å; by default the entry's
    max_msas_per_chain: int | None = None  # rows of the alignment
    max_templates_per_chain: int = 20  # those to draw from in training
    num_templates_per_chain: int = 4
    max_length: int | None = None  # tokens; larger entries are refused
    cutoff_date: str = "2021-09-30"  # the latest templates, ISO
    seed: int = 1  # of the reference conformers, of drawing templates, of the crop
    # reading atoms
    add_atom_ids: bool = False
    add_atompair_ids: bool = False
    directed_bonds: bool = False
    extract_atom_feats_fn: Callable[[Any], Tensor] | None = None
    extract_atompair_feats_fn: Callable[[Any], Tensor] | None = None
    custom_atoms: Sequence[str] | None = None
    custom_bonds: Sequence[str] | None = None

    def __post_init__(self) -> None:
        if not str(self.mmcif_filepath).endswith(SUFFIXES):
            raise ValueError(f"mmcif_filepath is {str(self.mmcif_filepath)!r}; it must end in {', '.join(SUFFIXES)}")
        if self.cropping_config is not None and self.inference:
            raise ValueError("cropping_config needs the positions, which inference=True leaves out; choose one")
        if not re.fullmatch(r"\d{4}-\d\d-\d\d", self.cutoff_date):
            raise ValueError(f"cutoff_date is {self.cutoff_date!r}; write year-month-day, 2021-09-30")
        if self.training and self.inference:
            raise ValueError("training and inference are both true; choose one")
        for name in ("msa_dir", "templates_dir", "distillation_template_mmcif_dir"):
            folder = getattr(self, name)
            if folder is not None and not Path(folder).is_dir():
                raise ValueError(f"{name} is {str(folder)!r}, which is not a folder")

    @property
    def path(self) -> Path:
        return Path(self.mmcif_filepath)

    @property
    def file_id(self) -> str:
        """The file's name without its ending: `7a4d-assembly1`."""
        return re.sub(r"\.b?cif(\.gz)?$", "", self.path.name)

    @property
    def template_folder(self) -> Path:
        if self.distillation_template_mmcif_dir is not None:
            return Path(self.distillation_template_mmcif_dir)
        folder = self.path.parent
        return folder.parent if folder.name == self.file_id[1:3] else folder
