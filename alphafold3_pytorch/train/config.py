"""The settings of `af3 train`: what there is, of which type, and the run that they describe.

Values come from the experiments in `configs/` and from the command line, put together by Hydra.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from difflib import get_close_matches
from itertools import product
from pathlib import Path
from typing import Any, get_args, get_type_hints

import torch
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from lightning_fabric import Fabric
from lightning_fabric.loggers.tensorboard import TensorBoardLogger
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from alphafold3_pytorch.curation.sampler import WeightedPDBSampler
from alphafold3_pytorch.models.config import NetworkConfig
from alphafold3_pytorch.models.network import Network
from alphafold3_pytorch.models.presets import preset
from alphafold3_pytorch.predict.loading import load_weights
from alphafold3_pytorch.train import checkpoints
from alphafold3_pytorch.train.adapters import add_adapters, freeze
from alphafold3_pytorch.train.datasets import Mixture, PDBDataset, PDBDistillationDataset
from alphafold3_pytorch.train.log import Progress, silent
from alphafold3_pytorch.train.losses import LossConfig
from alphafold3_pytorch.train.schedule import Schedule
from alphafold3_pytorch.train.sharding import sharded_strategy
from alphafold3_pytorch.train.trainer import WEIGHTS, Trainer
from alphafold3_pytorch.train.validation import Validation

logger = logging.getLogger(__name__)
CONFIGS = Path(__file__).parent / "configs"


@dataclass
class DataSettings:
    """Where structures and what accompanies them are; the names in them are those of `PDBInput`."""

    folder: str = ""  # of mmCIF files
    msa_dir: str | None = None
    templates_dir: str | None = None
    template_mmcif_dir: str | None = None
    cutoff_date: str = "2021-09-30"  # the latest templates
    clusters: str | None = None  # tables of clusters: entries are drawn by their weights (SI 2.5.1), not one by one
    valid_folder: str | None = None  # with the same alignments and templates
    distillation_folders: list[str] = field(default_factory=list)  # of predicted structures
    distillation_weights: list[float] = field(default_factory=list)  # the share of examples drawn from each of them
    distillation_msa_dir: str | None = None  # their alignments
    crop_size: int = 384  # tokens
    contiguous_weight: float = 0.2  # the parts of the three kinds of crops (SI 2.7)
    spatial_weight: float = 0.4
    spatial_interface_weight: float = 0.4
    workers: int = 2


@dataclass
class OptimizerSettings:
    """Adam (SI 5.4)."""

    lr: float = 1.8e-3
    beta1: float = 0.9
    beta2: float = 0.95
    eps: float = 1e-8
    clip: float = 10.0
    ema: float = 0.999


@dataclass
class FinetuneSettings:
    """What is trained of weights that are there: all, or not the `frozen` parts, or adapters in the parts of `lora`."""

    frozen: list[str] = field(default_factory=list)
    lora: list[str] = field(default_factory=list)
    rank: int = 8


@dataclass
class RunSettings:
    """One run of `af3 train`."""

    out: str = ""  # checkpoints, weights and tables go there
    steps: int = 100_000
    seed: int = 0
    weights: str | None = None  # a file, or a published model by name; none: from random
    preset: str | None = None  # sizes of a published model; the network's own are changed by `network`
    network: dict[str, Any] = field(default_factory=dict)
    data: DataSettings = field(default_factory=DataSettings)
    examples_per_step: int = 256
    batch_size: int = 1  # examples at a time on one device
    diffusion_copies: int = 48  # noised copies of each example
    noise_mean: float = -1.2  # of the logarithm of their noise level over sigma_data, and its standard deviation
    noise_std: float = 1.5
    recycles: int = 3  # at most; a random number is done
    rollout_steps: int = 20  # of the sample that the confidence head learns from
    loss: LossConfig = field(default_factory=LossConfig)
    optimizer: OptimizerSettings = field(default_factory=OptimizerSettings)
    schedule: Schedule = field(default_factory=Schedule)
    validation: Validation = field(default_factory=Validation)
    finetune: FinetuneSettings = field(default_factory=FinetuneSettings)
    valid_every: int = 1000
    checkpoint_every: int = 1000
    keep_checkpoints: int | None = 3
    log_every: int = 1
    tensorboard: bool = False
    spike: float = 100.0  # a gradient of so many times the usual norm is left out
    most_skipped: int = 10  # steps in a row
    recompute: bool = True  # activations of blocks, in the backward pass
    compile: bool = False
    accelerator: str = "auto"
    devices: int = 1
    nodes: int = 1
    strategy: str = "auto"  # ddp where there are several devices; fsdp keeps a part of the parameters on each
    precision: str = "auto"  # bf16-mixed on a GPU; 32-true


COUNTS = "steps examples_per_step batch_size diffusion_copies rollout_steps valid_every checkpoint_every log_every"
COUNTS += " keep_checkpoints most_skipped devices nodes data.crop_size validation.samples validation.steps"
COUNTS += " finetune.rank"
LEAST = dict.fromkeys(COUNTS.split(), 1) | dict.fromkeys(["recycles", "validation.recycles", "data.workers"], 0)
LEAST |= dict.fromkeys(["optimizer.lr", "optimizer.clip", "spike"], 0)
SCHEMA = OmegaConf.structured(RunSettings)
for frozen in ("loss", "schedule", "validation"):  # frozen dataclasses, which OmegaConf would not let change either
    OmegaConf.set_readonly(SCHEMA[frozen], False)
OmegaConf.set_struct(SCHEMA.network, False)  # its names are checked by `changed`
ConfigStore.instance().store(name="settings", node=SCHEMA)


def runs(overrides: Sequence[str]) -> list[RunSettings]:
    """The runs that the words of a command line ask for: `lr=1e-3,2e-3` makes two, each in a folder of its own."""
    choices = [choices_of(override) for override in overrides]
    picks = list(product(*choices))
    found = [settings(pick) for pick in picks]
    if len(found) > 1:
        found = [replace(run, out=str(Path(run.out) / str(number))) for number, run in enumerate(found)]
    return found


def choices_of(override: str) -> list[str]:
    """What a sweep stands for; anything else is itself."""
    try:
        (parsed,) = OverridesParser.create().parse_overrides([override])
    except HydraException as error:
        raise ValueError(f"{override!r} is no setting; write name=value") from error
    if override.startswith(("+", "~")):  # Hydra would add a name that nobody reads
        raise ValueError(f"{override!r} is no setting; write name=value")
    if not parsed.is_sweep_override():
        return [override]
    return [f"{parsed.get_key_element()}={value}" for value in parsed.sweep_string_iterator()]


def settings(overrides: Sequence[str]) -> RunSettings:
    """The settings of one run. ValueError for a name or a type that is wrong."""
    try:
        with initialize_config_dir(version_base=None, config_dir=str(CONFIGS)):
            composed = compose("train", overrides=list(overrides))
        run: Any = OmegaConf.to_object(composed)
    except (HydraException, OmegaConfBaseException) as error:
        raise ValueError(explained(error)) from error
    for name, value, what in (
        ("weights", run.weights, "NAME_OR_PATH"),
        ("out", run.out, "FOLDER"),
        ("data.folder", run.data.folder, "FOLDER"),
    ):
        if value == "":
            raise ValueError(f"{name} is not set; write {name}={what}")
    values = flat(asdict(run))
    for name, least in LEAST.items():
        if (value := values[name]) is not None and value < least:
            raise ValueError(f"{name} is {value}; it must be at least {least}")
    folders, weights = run.data.distillation_folders, run.data.distillation_weights
    if len(folders) != len(weights):
        raise ValueError(f"data.distillation_weights has {len(weights)} numbers; there are {len(folders)} folders")
    if min(weights, default=0) < 0 or sum(weights) > 1:
        raise ValueError(f"data.distillation_weights are {weights}; they are shares of all examples, together up to 1")
    return run


def explained(error: Exception) -> str:
    """Hydra's message in one line, with near names for one that does not exist."""
    cause = error.__cause__ if isinstance(error.__cause__, OmegaConfBaseException) else error
    message = str(cause).splitlines()[0]
    key = getattr(cause, "full_key", None) or getattr(cause, "key", None) or ""
    near = get_close_matches(str(key), list(names_of(RunSettings)), n=3)
    hint = f"; did you mean {', '.join(near)}?" if near and str(key) not in near else ""
    return f"{key}: {message}{hint}" if key and str(key) not in message else f"{message}{hint}"


def names_of(kind: Any, start: str = "") -> Iterator[str]:
    """All names of settings."""
    hints = get_type_hints(kind)
    for item in fields(kind):
        yield f"{start}{item.name}"
        if is_dataclass(hints[item.name]):
            yield from names_of(hints[item.name], f"{start}{item.name}.")


# ---- from settings to a run


def build_run(
    run: RunSettings, make_model: Callable[..., Any], resume: bool = False, progress: Progress = silent
) -> Trainer:
    """The Trainer that settings describe. `make_model(network=..., **options)` is `Alphafold3`."""
    before = interrupted(run) if resume else None
    torch.manual_seed(run.seed)
    fabric = make_fabric(run)
    accumulate, rest = divmod(run.examples_per_step, run.batch_size * fabric.world_size)
    if rest or not accumulate:
        raise ValueError(
            f"examples_per_step is {run.examples_per_step}; it must be a multiple of batch_size x devices x nodes, "
            f"{run.batch_size * fabric.world_size}"
        )
    network, origin = make_network(run)
    model = make_model(
        network=network,
        diffusion_num_augmentations=run.diffusion_copies,
        edm_kwargs={"P_mean": run.noise_mean, "P_std": run.noise_std},
        **dict.fromkeys(RECOMPUTED, run.recompute),
    )
    adam = run.optimizer
    trainer = Trainer(
        model,
        dataset=training_data(run.data),
        num_train_steps=run.steps,
        batch_size=run.batch_size,
        grad_accum_every=accumulate,
        valid_dataset=validation_data(run.data),
        valid_every=run.valid_every,
        ema_decay=adam.ema,
        lr=adam.lr,
        default_adam_kwargs={"betas": (adam.beta1, adam.beta2), "eps": adam.eps},
        clip_grad_norm=adam.clip,
        default_lambda_lr=run.schedule,
        fabric=fabric,
        checkpoint_every=run.checkpoint_every,
        checkpoint_folder=run.out,
        keep_checkpoints=run.keep_checkpoints,
        use_torch_compile=run.compile,
        loss=run.loss,
        num_recycles=run.recycles,
        num_rollout_steps=run.rollout_steps,
        num_workers=run.data.workers,
        validation=run.validation,
        spike=run.spike,
        most_skipped=run.most_skipped,
        seed=run.seed,
        log_every=run.log_every,
        progress=progress,
        origin=origin,
        config=asdict(run),
    )
    if before is not None:
        trainer.restore(*before)
    return trainer


# A checkpoint has what these led to, or the run before it depends on them.
KEPT = (
    "seed",
    "weights",
    "preset",
    "network",
    "finetune",
    "schedule",
    *(f"optimizer.{each}" for each in ("lr", "beta1", "beta2", "eps")),
)


def interrupted(run: RunSettings) -> tuple[Path, dict[str, Any]]:
    """The newest checkpoint of a run to go on with. ValueError for a setting that cannot change any more."""
    path = checkpoints.newest(run.out, "af3.ckpt.")
    state = checkpoints.read(path)
    before, now = flat(state["config"]), flat(asdict(run))
    known = [name for name in before | now if name.startswith("network.") or (name in before and name in now)]
    changed = [name for name in known if before.get(name) != now.get(name) and name != "out"]
    changes = {name: f"{name}={now.get(name)} (was {before.get(name)})" for name in changed}
    fixed = [text for name, text in changes.items() if f"{name}.".startswith(tuple(f"{kept}." for kept in KEPT))]
    if fixed:
        more = f" and {len(fixed) - 3} more" if fixed[3:] else ""
        raise ValueError(
            f"--resume cannot change {', '.join(fixed[:3])}{more}; give the settings that the run began with (its "
            f"experiment too), or start anew with weights={Path(run.out) / WEIGHTS}"
        )
    if changes:
        logger.warning("goes on with %s", ", ".join(changes.values()))
    return path, state


def flat(values: Mapping[str, Any], start: str = "") -> dict[str, Any]:
    """Nested settings by their full names."""
    found = {}
    for name, value in values.items():
        found |= flat(value, f"{start}{name}.") if isinstance(value, Mapping) else {f"{start}{name}": value}
    return found


RECOMPUTED = (
    "checkpoint_input_embedding",
    "checkpoint_trunk_pairformer",
    "checkpoint_confidence_head",
    "checkpoint_diffusion_module",
)


def make_fabric(run: RunSettings) -> Fabric:
    if run.strategy not in ("auto", "ddp", "fsdp"):
        raise ValueError(
            f"strategy is {run.strategy!r}; known are ddp, which keeps everything on every device, fsdp, which keeps "
            "a part on each, and auto, which is ddp where there are several devices"
        )
    on_gpu = run.accelerator in ("auto", "cuda", "gpu") and torch.cuda.is_available()
    precision: Any = ("bf16-mixed" if on_gpu else "32-true") if run.precision == "auto" else run.precision
    several = run.devices * run.nodes > 1
    # which parameters have a gradient depends on the example: without alignment, templates, or confidence loss
    strategy: Any = "ddp_find_unused_parameters_true" if several or run.strategy == "ddp" else "auto"
    strategy = sharded_strategy(run.devices * run.nodes) if run.strategy == "fsdp" else strategy
    loggers = []
    if run.tensorboard:
        loggers = [TensorBoardLogger(run.out, name="tensorboard", version="")]
    options = {"devices": run.devices, "num_nodes": run.nodes, "precision": precision, "loggers": loggers}
    try:
        fabric = Fabric(accelerator=run.accelerator, strategy=strategy, **options)
    except (ValueError, RuntimeError) as error:
        raise ValueError(" ".join(str(error).split())) from error
    fabric.launch()
    return fabric


def make_network(run: RunSettings) -> tuple[Network, dict[str, str]]:
    """With published weights or new ones; and whose weights they are."""
    origin: dict[str, str] = {}
    if run.weights is None:
        network = Network(changed(preset(run.preset) if run.preset else NetworkConfig(), run.network))
    elif run.preset or run.network:
        raise ValueError("weights have their own sizes; leave out preset and network")
    else:
        network, provenance = load_weights(run.weights)
        origin = {"family": provenance.family, "preset": provenance.weights, "licence": provenance.licence}
    freeze(network, run.finetune.frozen)
    if run.finetune.lora:
        network.requires_grad_(False)
        add_adapters(network, run.finetune.lora, run.finetune.rank)
    return network, origin


CROPS = "crop_size", "contiguous_weight", "spatial_weight", "spatial_interface_weight"


def training_data(data: DataSettings) -> Any:
    sampler = None if data.clusters is None else weighted_sampler(Path(data.clusters))
    crops = {name: getattr(data, name) for name in CROPS}
    dataset = PDBDataset(data.folder, sampler, training=True, **crops, **accompanying(data))
    if not data.distillation_folders:
        return dataset
    options = {"training": True, "crop_size": data.crop_size, "msa_dir": data.distillation_msa_dir}
    predicted = [PDBDistillationDataset(folder, **options) for folder in data.distillation_folders]
    weights = data.distillation_weights
    return Mixture([dataset, *predicted], [1 - sum(weights), *weights])


def weighted_sampler(folder: Path) -> WeightedPDBSampler:
    """Of the tables that clustering writes."""
    chains = sorted(folder.glob("*_chain_cluster_mapping.csv"))
    if not chains:
        raise ValueError(f"data.clusters: {folder} has no table *_chain_cluster_mapping.csv")
    return WeightedPDBSampler(chains, folder / "interface_cluster_mapping.csv", batch_size=1)


def validation_data(data: DataSettings) -> PDBDataset | None:
    if data.valid_folder is None:
        return None
    return PDBDataset(data.valid_folder, crop_size=None, **accompanying(data))


def accompanying(data: DataSettings) -> dict[str, Any]:
    return {
        "msa_dir": data.msa_dir,
        "templates_dir": data.templates_dir,
        "distillation_template_mmcif_dir": data.template_mmcif_dir,
        "cutoff_date": data.cutoff_date,
    }


def changed(config: Any, changes: Mapping[str, Any], where: str = "network") -> Any:
    """A network config with some of its fields changed. ValueError for a name or a type that is wrong."""
    hints = get_type_hints(type(config))
    values = {}
    for name, value in changes.items():
        if name not in hints:
            near = get_close_matches(name, hints) or sorted(hints)
            raise ValueError(f"{where}.{name} does not exist; did you mean {', '.join(near)}?")
        present = getattr(config, name)
        kinds = tuple(kind for kind in (hints[name], *get_args(hints[name])) if isinstance(kind, type))
        if isinstance(value, Mapping) and is_dataclass(present):
            value = changed(present, value, f"{where}.{name}")
        elif kinds and not isinstance(value, kinds) and not (float in kinds and isinstance(value, int)):
            wanted = " or ".join(kind.__name__ for kind in kinds)
            raise ValueError(f"{where}.{name} is {value!r}; it must be {wanted}")
        values[name] = value
    return replace(config, **values)
