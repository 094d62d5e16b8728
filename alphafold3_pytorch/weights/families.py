"""The table of model families: whose weights load, by what they are recognised, and under which licence they come.

`load` makes a network of anybody's file; `export` and `convert` write the layouts back. A family is one preset per
published model (models.presets) and one rule list.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import torch

from alphafold3_pytorch.models.config import NetworkConfig
from alphafold3_pytorch.models.network import Network
from alphafold3_pytorch.models.presets import PRESETS
from alphafold3_pytorch.shapes import Tensor
from alphafold3_pytorch.weights import alphafold3, native, openfold3, protenix
from alphafold3_pytorch.weights.checkpoints import save_checkpoint
from alphafold3_pytorch.weights.configs import differences
from alphafold3_pytorch.weights.readers import WeightFile, read
from alphafold3_pytorch.weights.records import write_records
from alphafold3_pytorch.weights.rules import Rulebook, Shape, WeightsError, shapes_of
from alphafold3_pytorch.weights.sizes import Sizes

Tensors = dict[str, Tensor]


class Published(NamedTuple):
    """A model that somebody published: its preset, and what its owner says of it."""

    preset: str
    parameters: int  # as the owner counts them
    files: tuple[str, ...]


@dataclass(frozen=True)
class Family:
    """Models of one owner, whose files have one layout."""

    name: str
    title: str
    licence: str
    origin: str
    files: str  # where the models' files are
    citation: str
    recognises: Callable[[Collection[str]], bool]
    config: Callable[[Sizes], NetworkConfig]
    rulebook: Callable[[NetworkConfig], Rulebook]
    models: tuple[Published, ...] = ()
    check: Callable[[Mapping[str, Tensor]], None] = lambda tensors: None
    suffixes: tuple[str, ...] = (".pt",)  # of the owner's files
    write: Callable[[Path, Tensors, str], None] = lambda path, tensors, identifier: save_checkpoint(path, tensors)


def _protenix_model(preset: str, parameters: int) -> Published:
    return Published(preset, parameters, (f"{preset}.pt",))


ALPHAFOLD3 = Family(
    name="alphafold3",
    title="AlphaFold 3 (Google DeepMind)",
    licence="AlphaFold 3 Model Parameters Terms of Use: non-commercial, not to be passed on; "
    "https://github.com/google-deepmind/alphafold3/blob/main/WEIGHTS_TERMS_OF_USE.md",
    origin="https://github.com/google-deepmind/alphafold3",
    files="from Google only; the origin says how",
    citation="Abramson et al., Nature 630, 493-500 (2024), doi:10.1038/s41586-024-07487-w",
    recognises=alphafold3.recognises,
    config=alphafold3.config,
    rulebook=alphafold3.rulebook,
    models=(Published("alphafold3", 368_384_538, ("af3.bin.zst",)),),
    suffixes=(".bin.zst", ".bin"),
    write=lambda path, tensors, identifier: write_records(path, tensors, identifier or "alphafold3-pytorch"),
)
PROTENIX = Family(
    name="protenix",
    title="Protenix (ByteDance)",
    licence="Apache-2.0",
    origin="https://github.com/bytedance/Protenix",
    files="https://protenix.tos-cn-beijing.volces.com/checkpoint/",
    citation="Zhang et al., bioRxiv (2026), doi:10.64898/2026.02.05.703733",
    recognises=protenix.recognises,
    config=protenix.config,
    rulebook=protenix.rulebook,
    models=(
        _protenix_model("protenix-v2", 464_442_431),
        _protenix_model("protenix_base_default_v1.0.0", 368_484_735),
        _protenix_model("protenix_base_20250630_v1.0.0", 368_484_735),
        _protenix_model("protenix_base_default_v0.5.0", 368_088_191),
        _protenix_model("protenix_base_constraint_v0.5.0", 369_453_439),
        _protenix_model("protenix_mini_default_v0.5.0", 134_067_007),
        _protenix_model("protenix_mini_esm_v0.5.0", 135_216_447),
        _protenix_model("protenix_mini_ism_v0.5.0", 135_216_447),
        _protenix_model("protenix_tiny_default_v0.5.0", 109_500_223),
    ),
    write=lambda path, tensors, identifier: save_checkpoint(path, tensors, wrapper="model"),
)
OPENFOLD3 = Family(
    name="openfold3",
    title="OpenFold3 (OpenFold consortium)",
    licence="Apache-2.0",
    origin="https://github.com/aqlaboratory/openfold-3",
    files="s3://openfold3-data/openfold3-parameters/",
    citation="The OpenFold3 Team, OpenFold3-preview (2025), doi:10.5281/zenodo.19001000",
    recognises=openfold3.recognises,
    config=openfold3.config,
    rulebook=openfold3.rulebook,
    models=(
        Published("openfold3", 368_293_788, ("of3-ob-2025-06-30-174k.pt",)),
        Published("openfold3-p2", 368_296_732, ("of3-p2-155k.pt", "of3-p2-145k.pt")),
    ),
    check=openfold3.check,
)
NATIVE = Family(
    name="native",
    title="this package",
    licence="Apache-2.0 (nano); of other files that of their origin",
    origin="",
    files="in the package",
    citation="",
    recognises=native.recognises,
    config=native.config,
    rulebook=native.rulebook,
    models=(Published("nano", 5_275_772, ("nano.safetensors",)),),
    suffixes=(".safetensors",),
)
FAMILIES = {family.name: family for family in (ALPHAFOLD3, PROTENIX, OPENFOLD3, NATIVE)}

# Of the first OpenFold3 preview no array tells that two layers of its atom encoder are swapped, only the file's name.
UNREADABLE = {"of3_ft3_v1": "is the first preview of OpenFold3 (p1), which is wired differently; take of3-p2 or later"}
# Programs whose files are like ours and are not read: a word that begins one of their keys.
FOREIGN = {
    "AlphaFold 2": ("alphafold/alphafold_iteration", "evoformer.blocks."),
    "Boltz": ("structure_module.score_model.", "pairformer_module.layers."),
}


class Identity(NamedTuple):
    """What a file holds: the published models that have its sizes (none, or several alike), the likeliest first."""

    family: Family
    presets: tuple[str, ...]
    config: NetworkConfig

    @property
    def preset(self) -> str | None:
        return self.presets[0] if self.presets else None


class Plan(NamedTuple):
    """Everything about a file that is known before a tensor moves."""

    identity: Identity
    rulebook: Rulebook
    target: dict[str, Shape]


def identify(shapes: Mapping[str, Shape], metadata: Mapping[str, str] | None = None, file_name: str = "") -> Identity:
    """Family, published model and config from names and shapes; the name of the file tells apart models of one size."""
    family = next((family for family in FAMILIES.values() if family.recognises(shapes)), None)
    if family is None:
        raise WeightsError(_stranger(shapes))
    if unreadable := next((why for name, why in UNREADABLE.items() if name in file_name), None):
        raise WeightsError(unreadable)
    try:
        config = family.config(Sizes(shapes, metadata))
        presets = matching_presets(config, file_name)
    except ValueError as error:
        raise WeightsError(f"looks like weights of {family.title}, but: {error}") from error
    if family is not NATIVE:
        config = replace(config, conventions=family.name)
    if presets and family is not NATIVE:
        published = PRESETS[presets[0]]
        config = replace(config, sampler=published.sampler, recycles=published.recycles)
    return Identity(family, presets, config)


def matching_presets(config: NetworkConfig, file_name: str = "") -> tuple[str, ...]:
    """The published models of these sizes (or without an optional input), first the one that the file is named for."""
    found = [name for name, preset in PRESETS.items() if not differences(config, preset)]
    if not found:
        found = [
            name
            for name, preset in PRESETS.items()
            if preset.embedding_features and not differences(config, replace(preset, embedding_features=None))
        ]
    return tuple(sorted(found, key=lambda name: name not in file_name))


def _stranger(shapes: Mapping[str, Shape]) -> str:
    known = ", ".join(family.title for family in FAMILIES.values())
    for program, starts in FOREIGN.items():
        if any(key.startswith(starts) for key in shapes):
            return f"holds weights of {program}, which are not read; known are {known}"
    some = ", ".join(list(shapes)[:2])
    return f"holds weights of no known family (its arrays: {some}, ...); known are {known}"


def plan(tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None, file_name: str = "") -> Plan:
    """Identify the weights and check that every array has its place; WeightsError if not."""
    shapes = shapes_of(tensors)
    identity = identify(shapes, metadata, file_name)
    try:
        rulebook = identity.family.rulebook(identity.config)
        target = native.shapes_of_network(identity.config)
        rulebook.check(shapes, target)
        identity.family.check(tensors)
    except (ValueError, ArithmeticError, RuntimeError) as error:
        raise WeightsError(f"looks like weights of {identity.family.title}, but: {error}") from error
    return Plan(identity, rulebook, target)


def plan_file(path: str | Path) -> tuple[WeightFile, Plan]:
    """Read a file and plan it; every error names the file."""
    file = read(path)
    try:
        return file, plan(file.tensors, file.metadata, Path(path).name)
    except WeightsError as error:
        raise WeightsError(f"{path} {error}") from error


def load(path: str | Path, dtype: torch.dtype = torch.float32) -> Network:
    """The network of a weight file of any family, with its weights."""
    file, planned = plan_file(path)
    return build(planned, file.tensors, dtype, free=True)


def load_tensors(
    tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None, dtype: torch.dtype = torch.float32
) -> Network:
    """The same from arrays in memory."""
    return build(plan(tensors, metadata), dict(tensors), dtype)


def build(planned: Plan, tensors: Tensors, dtype: torch.dtype | None, free: bool = False) -> Network:
    """The network of a plan. Nothing is initialised: the arrays become its parameters."""
    with torch.device("meta"):
        network = Network(planned.identity.config)
    state = planned.rulebook.load(tensors, planned.target, dtype, free)
    network.load_state_dict(state, assign=True)
    left = [name for name, tensor in network.named_buffers() if tensor.is_meta]
    assert not left, f"buffers that no file holds and nothing has filled: {left}"
    return network.eval()


def export(network: Network, family: str) -> Tensors:
    """The arrays of a network in the layout of a family; WeightsError if that has no place for something."""
    return export_state(network.state_dict(), network.config, family_named(family))


def family_named(name: str) -> Family:
    if name not in FAMILIES:
        raise ValueError(f"there is no layout {name!r}; known are {', '.join(FAMILIES)}")
    return FAMILIES[name]


def export_state(state: Mapping[str, Tensor], config: NetworkConfig, family: Family) -> Tensors:
    """The same from parameters by our names."""
    if obstacles := reasons_against(config, family):
        shown = "; ".join(obstacles[:4]) + (f" and {len(obstacles) - 4} more" if obstacles[4:] else "")
        raise WeightsError(f"this network cannot be written as weights of {family.title}: {shown}")
    rulebook = family.rulebook(config)
    arrays = rulebook.export(state)
    if lost := rulebook.changed_by_export(state, arrays):
        what = "has no place for what these parameters hold (trained on inputs that it has not?)"
        raise WeightsError(f"{family.title} {what}: {', '.join(lost[:4])}")
    return arrays


def reasons_against(config: NetworkConfig, family: Family) -> list[str]:
    """What keeps a network out of a family's layout: parameters, or options that its program would run differently."""
    target, rulebook = native.shapes_of_network(config), family.rulebook(config)
    filled = {rule.target for rule in rulebook.rules} | set(rulebook.constants)
    reasons = [f"no place for {name}" for name in sorted(set(target) - filled)]
    reasons += [f"it has no {name}" for name in sorted(filled - set(target))]
    if reasons or family is NATIVE:
        return reasons
    try:
        with torch.device("meta"):
            arrays = rulebook.export({name: torch.empty(shape) for name, shape in target.items()})
        return differences(family.config(Sizes(shapes_of(arrays))), config)
    except ValueError as error:
        return [str(error)]


def origin_of(identity: Identity, metadata: Mapping[str, str]) -> dict[str, str]:
    """Whose weights they are, to be kept with them. A native file has it in its metadata already."""
    if identity.family is NATIVE:
        kept = ("family", "preset", "licence", "origin", "identifier")
        return {key: metadata[key] for key in kept if key in metadata}
    family = identity.family
    about = {"family": family.name, "preset": identity.preset or "", "licence": family.licence, "origin": family.origin}
    return about | {key: metadata[key] for key in ("identifier",) if key in metadata}


def save_native(network: Network, path: str | Path, origin: Mapping[str, str] | None = None) -> None:
    """Write a network as a file of ours. `origin`: whose weights they are (see `origin_of`); none for your own."""
    native.save(path, network.state_dict(), network.config, origin or {"family": NATIVE.name, "licence": "not stated"})
