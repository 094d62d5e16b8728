"""Compare our features with those of official AlphaFold 3, feature by feature.

    python tools/features_parity.py DIR [--ccd COMPONENTS.cif.gz] [--verbose]

DIR holds jobs in AlphaFold 3's JSON with the features beside them (`NAME.json`, `NAME.npz`, options in `index.json`),
or is one case (`input.json`, `features.npz`, options in `config.json`). Everything must be equal; `ref_pos` too if
RDKit is of the version that made the reference, else bonded distances are compared. Exits with 1 if anything differs.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import rdkit
import typer

from alphafold3_pytorch.chem.component import Component, read_components
from alphafold3_pytorch.chem.conformers import Limits
from alphafold3_pytorch.features.featurize import Complex, prepare
from alphafold3_pytorch.features.options import ALPHAFOLD3, FeatureOptions
from alphafold3_pytorch.inputs.alphafold3_json import parse
from alphafold3_pytorch.inputs.reading import read_text
from tools.features_official import Official

REFERENCE_RDKIT = "2025.09.4"
BOND_TOLERANCE = 0.2  # Å, between conformers of different versions of RDKit


@dataclass(frozen=True)
class Case:
    name: str
    job: Path
    features: Path
    settings: Mapping[str, Any]


def cases(folder: Path) -> Iterator[Case]:
    if (folder / "features.npz").exists():
        config = json.loads((folder / "config.json").read_text()) if (folder / "config.json").exists() else {}
        bucket = config.get("bucket") or config.get("padding_bucket") or config.get("buckets")
        buckets = bucket if bucket is None or isinstance(bucket, list) else [bucket]
        yield Case(folder.name, folder / "input.json", folder / "features.npz", {"buckets": buckets})
        return
    index = json.loads((folder / "index.json").read_text()) if (folder / "index.json").exists() else {}
    for path in sorted(folder.glob("*.npz")):
        yield Case(path.stem, path.with_suffix(".json"), path, index.get(path.stem, {}))


def options_of(settings: Mapping[str, Any]) -> FeatureOptions:
    """The options of the reference pipeline, as ours."""
    limits = Limits(seconds=0.0, iterations=settings.get("conformer_max_iterations"), need_ideal=True)
    if settings.get("ref_max_modified_date"):
        limits = replace(limits, experimental_before=settings["ref_max_modified_date"])
    fixed = settings.get("fix_standalone_glycans", False)
    return replace(
        ALPHAFOLD3,
        limits=limits,
        conformers=None,
        build=replace(ALPHAFOLD3.build, leaving="sugar oxygen if bonded" if fixed else "sugar oxygen"),
        buckets=tuple(settings["buckets"]) if settings.get("buckets") else None,
        resolve_msa_overlaps=settings.get("resolve_msa_overlaps", True),
    )


def complex_of(case: Case, dictionary: Mapping[str, Component]) -> Complex:
    job = parse(read_text(case.job), case.job.parent, str(case.job))
    job = replace(job, components={**dictionary, **job.components})
    return prepare(job, case.settings.get("seed"), options_of(case.settings))


def differences(case: Case, dictionary: Mapping[str, Component]) -> dict[str, str]:
    """Feature -> what differs, empty where it is equal."""
    known = complex_of(case, dictionary)
    ours, theirs = Official(known).features(), np.load(case.features)
    found = {name: "we do not make this feature" for name in theirs.files if name not in ours}
    for name in theirs.files:
        if name in ours:
            found[name] = difference(ours[name], theirs[name])
    if rdkit.__version__ != REFERENCE_RDKIT:
        found |= with_other_rdkit(known, ours, theirs)
    return found


def difference(ours: np.ndarray, theirs: np.ndarray) -> str:
    if ours.shape != theirs.shape:
        return f"shape {ours.shape}, reference {theirs.shape}"
    if ours.dtype.kind != theirs.dtype.kind or (ours.dtype.kind != "U" and ours.dtype != theirs.dtype):
        return f"type {ours.dtype}, reference {theirs.dtype}"
    wrong = np.argwhere(ours != theirs)
    if not len(wrong):
        return ""
    first = tuple(wrong[0].tolist())
    return f"{len(wrong)} of {theirs.size} differ, first at {first}: {ours[first]} instead of {theirs[first]}"


def with_other_rdkit(known: Complex, ours: Mapping[str, np.ndarray], theirs: Any) -> dict[str, str]:
    """Conformers differ between versions: only distances along bonds agree, and frames of ligands may not."""
    worst = max((bond_error(pairs, ours, theirs) for pairs in bonded_slots(known)), default=0.0)
    ligands = theirs["is_ligand"]
    frames = difference(ours["frames_mask"][~ligands], theirs["frames_mask"][~ligands])
    return {
        "ref_pos": f"bonded distances differ by {worst:.2f} Å" if worst > BOND_TOLERANCE else "",
        "frames_mask": frames,
    }


def bonded_slots(known: Complex) -> Iterator[np.ndarray]:
    """Bonds of each residue as pairs of (token, slot)."""
    structure, token, slot = known.tokens.structure, known.tokens.atom_to_token, known.layout.slot
    for chain, place, atoms in structure.residues():
        component = structure.components[chain.residues[place]]
        index = {name: atom for atom, name in enumerate(structure.names[atoms].tolist(), start=atoms.start)}
        ends = [(component.names[a], component.names[b]) for a, b in component.bonds.tolist()]
        pairs = [(index[a], index[b]) for a, b in ends if a in index and b in index]
        if pairs:
            yield np.stack([token[np.array(pairs)], slot[np.array(pairs)]], axis=-1)


def bond_error(pairs: np.ndarray, ours: Mapping[str, np.ndarray], theirs: Any) -> float:
    lengths = []
    for features in (ours, theirs):
        points = features["ref_pos"][pairs[..., 0], pairs[..., 1]]
        lengths.append(np.linalg.norm(points[:, 0] - points[:, 1], axis=-1))
    return float(np.abs(lengths[0] - lengths[1]).max())


def find_dictionary(folder: Path, given: Path | None) -> dict[str, Component]:
    """Components that the reference was made with, where they are beside it."""
    beside = [parent / "ccd" / "components_subset.cif.gz" for parent in folder.resolve().parents]
    places = [given] if given else [folder / "components.cif.gz", *beside]
    path = next((path for path in places if path.exists()), None)
    return read_components(read_text(path)) if path else {}


def main(
    folder: Path,
    ccd: Annotated[Path | None, typer.Option(help="Components that the reference was made with.")] = None,
    verbose: Annotated[bool, typer.Option(help="A line for every feature.")] = False,
) -> None:
    dictionary, failed = find_dictionary(folder, ccd), 0
    exact = rdkit.__version__ == REFERENCE_RDKIT
    print(f"RDKit {rdkit.__version__}: ref_pos is compared {'exactly' if exact else 'by bonded distances'}")
    for case in cases(folder):
        found = differences(case, dictionary)
        wrong = {name: what for name, what in found.items() if what}
        failed += bool(wrong)
        print(f"{case.name}: {len(found) - len(wrong)} of {len(found)} features agree")
        for name, what in found.items() if verbose else wrong.items():
            print(f"    {name}: {what or 'equal'}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    typer.run(main)
