"""The command `af3`: each command is a few lines of calls.

What needs PyTorch is imported inside the commands, so that help is instant.
"""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from alphafold3_pytorch import __version__

app = typer.Typer(
    name="af3",
    help="AlphaFold 3 in PyTorch.",
    epilog="A mistake in the input ends in one line and exit code 2. AF3_DEBUG=1 shows where it was found.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def show_version(wanted: bool) -> bool:
    if wanted:
        typer.echo(f"af3 {__version__}")
        raise typer.Exit()
    return wanted


@contextmanager
def interruptible(way: str = "the same command goes on where this one stopped") -> Iterator[None]:
    """Ctrl-C becomes a line that says how to go on, and exit code 130."""
    try:
        yield
    except KeyboardInterrupt:
        print(f"af3: interrupted; {way}", file=sys.stderr)
        raise typer.Exit(130) from None


@app.callback()
def af3(
    version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Show the version and leave.")
    ] = False,
) -> None:
    """AlphaFold 3 in PyTorch."""


JobPaths = Annotated[
    list[Path], typer.Argument(metavar="FILE...", help="Job files of any dialect, or folders of them.")
]
WeightsOption = Annotated[
    str,
    typer.Option(
        metavar="NAME_OR_PATH",
        help="A weight file, a published model by name, nano (in the package, for trying out), or random.",
    ),
]
DEFAULT_WEIGHTS = "nano"
Samples = Annotated[int, typer.Option(min=1, help="Structures for each seed.")]
Recycles = Annotated[
    int | None, typer.Option(min=0, help="Recycles of the trunk; if not given, as the weights were published (10).")
]
Steps = Annotated[
    int | None, typer.Option(min=1, help="Steps of the diffusion; if not given, as the weights were published (200).")
]
Guided = Annotated[
    bool, typer.Option("--guided", help="Mend wrong hands, bent rings, broken bonds and clashes as samples form.")
]
TemplateFolder = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER", help="mmCIF files by entry id (1abc.cif.gz), for jobs with hits of a template search."
    ),
]
MaxTemplateDate = Annotated[
    str,
    typer.Option(metavar="DATE", help="Hits released later are no templates, where the chain has no date of its own."),
]
LATEST_TEMPLATES = "2021-09-30"  # as in SI 2.4
Device = Annotated[str, typer.Option(help="auto (a GPU if there is one), cpu, cuda, cuda:1.")]
Precision = Annotated[str, typer.Option(help="auto (bfloat16 on a GPU), float32 or bfloat16.")]


@app.command("predict")
def predict_jobs(
    files: JobPaths,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FOLDER", help="Every job gets a folder in it.")],
    weights: WeightsOption = DEFAULT_WEIGHTS,
    seeds: Annotated[
        str | None, typer.Option(help="Instead of the jobs' own: 1,2,3 or 1-20.", show_default=False)
    ] = None,
    samples: Samples = 5,
    recycles: Recycles = None,
    steps: Steps = None,
    guided: Guided = False,
    template_folder: TemplateFolder = None,
    max_template_date: MaxTemplateDate = LATEST_TEMPLATES,
    device: Device = "auto",
    precision: Precision = "auto",
    pdb: Annotated[bool, typer.Option("--pdb", help="Write PDB files too.")] = False,
    embeddings: Annotated[bool, typer.Option("--embeddings", help="Write the trunk's single and pair.")] = False,
    distogram: Annotated[bool, typer.Option("--distogram", help="Write the distogram's logits.")] = False,
    report: Annotated[bool, typer.Option(help="Write a page that shows all samples.")] = True,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace predictions that were made otherwise.")
    ] = False,
) -> None:
    """Predict structures. The same command goes on where an earlier one was cut off."""
    from alphafold3_pytorch.predict import command

    request = command.Request(
        out,
        command.Settings(samples, recycles, steps, guided),
        ("cif", "sdf", *["pdb"] * pdb),
        command.Wanted(embeddings, distogram),
        report,
        overwrite,
    )
    with interruptible():
        failed = command.predict(files, weights, seeds, device, precision, request, template_folder, max_template_date)
    raise typer.Exit(1 if failed else 0)


@app.command("plan")
def plan_jobs(
    files: JobPaths,
    weights: WeightsOption = DEFAULT_WEIGHTS,
    samples: Samples = 5,
    recycles: Recycles = None,
    steps: Steps = None,
    guided: Guided = False,
    template_folder: TemplateFolder = None,
    max_template_date: MaxTemplateDate = LATEST_TEMPLATES,
    device: Device = "auto",
    precision: Precision = "auto",
) -> None:
    """What predicting jobs would take: size, memory, time, and how they would be made to fit."""
    from alphafold3_pytorch.predict import command

    settings = command.Settings(samples, recycles, steps, guided)
    code = command.plan(files, weights, settings, device, precision, template_folder, max_template_date)
    raise typer.Exit(code)


@app.command("validate")
def validate_jobs(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Job files of any dialect.")],
    template_folder: TemplateFolder = None,
    max_template_date: MaxTemplateDate = LATEST_TEMPLATES,
) -> None:
    """What job files hold, and every mistake in them."""
    from alphafold3_pytorch.features.msa import complex_msa
    from alphafold3_pytorch.features.templates import template_atoms
    from alphafold3_pytorch.features.tokens import tokenize
    from alphafold3_pytorch.inputs.check import check, print_table
    from alphafold3_pytorch.inputs.job import Job
    from alphafold3_pytorch.search.templates import TemplateLimits, complete
    from alphafold3_pytorch.structure.table import Structure

    limits = TemplateLimits(released_by=max_template_date)

    def count(structure: Structure, job: Job) -> int:
        tokens = tokenize(structure)
        complex_msa(tokens, job)
        template_atoms(tokens, complete(job, template_folder, limits))
        return len(tokens)

    checked = [check(file, count) for file in files]
    print_table(checked)
    problems = [problem for file in checked for problem in file.problems]
    for problem in problems:
        print(f"af3: {problem}", file=sys.stderr)
    raise typer.Exit(2 if problems else 0)


@app.command("convert")
def convert_jobs(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A job file of any dialect.")],
    to: Annotated[
        str,
        typer.Option(metavar="DIALECT", help="alphafold3, alphafoldserver, boltz, protenix, openfold3, chai or fasta."),
    ],
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="OUT", help="The file to write, or a folder that exists.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that exist.")] = False,
    template_folder: TemplateFolder = None,
    max_template_date: MaxTemplateDate = LATEST_TEMPLATES,
) -> None:
    """Write the jobs of a file in another dialect. What it cannot say is listed."""
    from alphafold3_pytorch.inputs.read import read
    from alphafold3_pytorch.inputs.write import write
    from alphafold3_pytorch.search.templates import TemplateLimits, complete
    from alphafold3_pytorch.weights.atomic import replacing

    limits = TemplateLimits(released_by=max_template_date)
    jobs = [complete(job, template_folder, limits) if template_folder else job for job in read(file)]
    draft = write(jobs, to)
    places = draft.places(out)
    there = [place for place in places if place.exists()]
    if there and not force:
        raise ValueError(f"{there[0]} exists; choose another place with -o, or replace it with --force")
    for lost in draft.lost:
        print(f"af3: lost: {lost}", file=sys.stderr)
    for place, text in places.items():
        place.parent.mkdir(parents=True, exist_ok=True)
        with replacing(place) as temporary:
            temporary.write_text(text, encoding="utf-8")
        typer.echo(f"wrote {place}")


@app.command("evaluate")
def evaluate_predictions(
    predictions: Annotated[
        Path, typer.Argument(metavar="PREDICTIONS", help="Output of predict or of AlphaFold 3, or any mmCIF files.")
    ],
    reference: Annotated[
        Path, typer.Option(metavar="FOLDER", help="mmCIF files of the true structures, named as the jobs are.")
    ],
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="FOLDER", help="If not given, PREDICTIONS/evaluation.", show_default=False),
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; if not given, one for each core.")] = None,
) -> None:
    """Compare predictions with the true structures: lDDT, DockQ, TM-score, GDT, ligand RMSD, chemistry."""
    from alphafold3_pytorch.evaluate import command

    with interruptible("nothing was written"):
        code = command.run(predictions, reference, out, workers)
    raise typer.Exit(code)


@app.command("train")
def train_network(
    changes: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME=VALUE...",
            help="experiment=nano (initial, finetune1, finetune2, finetune3, own), out=FOLDER, data.folder=FOLDER, and "
            "any other setting; NAME=A,B makes two runs.",
        ),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the newest checkpoint in `out`.")] = False,
    show: Annotated[bool, typer.Option("--show", help="Print all settings and leave.")] = False,
) -> None:
    """Train a network, or fine-tune published weights."""
    try:
        from alphafold3_pytorch.train import command
    except ModuleNotFoundError as error:
        raise ValueError(f"training needs {error.name}; pip install 'alphafold3-pytorch[train]'") from error
    from alphafold3_pytorch.alphafold3 import Alphafold3

    with interruptible("--resume goes on from the last checkpoint"):
        command.train(changes or [], Alphafold3, resume, show)


weights = typer.Typer(help="Weight files: what there is, what a file holds, and conversion.", no_args_is_help=True)
app.add_typer(weights, name="weights")
WeightPath = Annotated[Path, typer.Argument(metavar="FILE", help="A weight file, a part of one, or the folder of one.")]


@weights.command("list")
def list_weights() -> None:
    """The published models that load: size, licence, and where they are."""
    from alphafold3_pytorch.weights import report

    report.print_tables(*report.models_tables())


@weights.command("inspect")
def inspect_weights(file: WeightPath) -> None:
    """What a file holds: family, model, parameters, what is used of it, settings, licence."""
    from alphafold3_pytorch.weights import report

    report.print_tables(report.inspect_table(file))


@weights.command("convert")
def convert_weights(
    file: WeightPath,
    to: Annotated[Path, typer.Option(metavar="FILE", help="The file to write.")],
    layout: Annotated[
        str, typer.Option(help="native (.safetensors), or back to alphafold3 (.bin.zst), protenix or openfold3 (.pt).")
    ] = "native",
    dtype: Annotated[
        str | None, typer.Option(help="float32, bfloat16 or float16; if not given, as in the file.", show_default=False)
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
) -> None:
    """Write the weights of any family as a file of this package, or back in the layout of their owner."""
    from alphafold3_pytorch.weights.convert import convert

    typer.echo(f"wrote {convert(file, to, layout, dtype, force)}")


@weights.command("verify")
def verify_weights(file: WeightPath) -> None:
    """Whether a file is sound: complete, every value finite, constants as expected, nothing lost by loading."""
    from alphafold3_pytorch.weights import report

    checks = report.verify(file)
    report.print_tables(report.verify_table(file, checks))
    raise typer.Exit(0 if all(check.passed for check in checks) else 1)


data = typer.Typer(help="Sets for training and evaluation, made of a mirror of the PDB.", no_args_is_help=True)
app.add_typer(data, name="data")


@data.command("filter")
def filter_entries(
    assembly_dir: Annotated[Path, typer.Argument(metavar="FOLDER", help="mmCIF files of first assemblies.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FOLDER", help="Where the set goes, and its report.")],
    split: Annotated[str, typer.Option(help="train, val or test.")] = "train",
    asym_dir: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Files of the asymmetric units, for what is missing.")
    ] = None,
    ccd_dir: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Has a components.cif to use instead of the built-in one.")
    ] = None,
    earliest: Annotated[str | None, typer.Option(metavar="DATE", help="First release, if not as the split.")] = None,
    latest: Annotated[str | None, typer.Option(metavar="DATE", help="Last release, if not as the split.")] = None,
    max_polymer_chains: Annotated[
        int | None, typer.Option(min=1, help="If not given 300 for training, 1000 for evaluation.")
    ] = None,
    max_chains: Annotated[
        int | None, typer.Option(min=1, help="In training so many of an entry stay, the nearest; if not given 20.")
    ] = None,
    exclude_ligands: Annotated[
        bool | None,
        typer.Option("--exclude-ligands/--keep-ligands", help="Those of table 10; if not given, in evaluation."),
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; if not given, one for each core.")] = None,
    seconds: Annotated[float, typer.Option(min=1, help="Time limit for one file.")] = 600,
    gigabytes: Annotated[float, typer.Option(min=0.1, help="Memory limit for one file.")] = 16,
    skip_existing: Annotated[
        bool, typer.Option("--skip-existing", help="Leave outputs as they are, whatever made them.")
    ] = False,
    ray_address: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Of a Ray cluster to run on; local starts one here.")
    ] = None,
) -> None:
    """Keep the entries that AlphaFold 3 was trained or tested on, cleaned as its supplement says."""
    from alphafold3_pytorch.curation import filter_command
    from alphafold3_pytorch.curation.filters import Settings
    from alphafold3_pytorch.curation.run import Request

    policy = filter_command.policy(split, earliest, latest, max_polymer_chains, exclude_ligands, max_chains)
    settings = Settings(policy, out, asym_dir, ccd_dir, split != "train", seconds, gigabytes)
    with interruptible():
        code = filter_command.filter_set(Request(assembly_dir, settings, workers, skip_existing, ray_address))
    raise typer.Exit(code)


@data.command("distill")
def distill_predictions(
    predictions: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Of jobs as af3 predict or AlphaFold 3 left them, or AF-*.cif.gz.")
    ],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FOLDER", help="Where the set goes, and its report.")],
    min_plddt: Annotated[float, typer.Option(min=0, max=100, help="Mean pLDDT; 0 asks for nothing.")] = 70,
    min_ptm: Annotated[float | None, typer.Option(min=0, max=1, help="pTM.")] = None,
    min_iptm: Annotated[float | None, typer.Option(min=0, max=1, help="ipTM, of complexes.")] = None,
    min_ranking_score: Annotated[float | None, typer.Option(help="Ranking score.")] = None,
    max_pde: Annotated[float | None, typer.Option(min=0, help="Mean predicted distance error in Å.")] = None,
    min_residues: Annotated[int, typer.Option(min=0, help="Of all polymers together.")] = 0,
    max_problems: Annotated[int, typer.Option(min=-1, help="Chemically impossible places; -1 allows any number.")] = 0,
    mask_plddt: Annotated[
        float, typer.Option(min=0, max=100, help="Residues below it lose their atoms, and stay in the sequence.")
    ] = 0,
    all_samples: Annotated[bool, typer.Option("--all-samples", help="Of every job, not the best one alone.")] = False,
    released: Annotated[str, typer.Option(metavar="DATE", help="Of all entries, if not that of the file.")] = "",
    uniprot_mapping: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Keep proteins of --train-set alone, with the dates it has.")
    ] = None,
    train_set: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="mmCIF files of the training set, filtered.")
    ] = None,
    ccd_dir: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Has a components.cif to use instead of the built-in one.")
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; if not given, one for each core.")] = None,
    seconds: Annotated[float, typer.Option(min=1, help="Time limit for one file.")] = 600,
    gigabytes: Annotated[float, typer.Option(min=0.1, help="Memory limit for one file.")] = 16,
    ray_address: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Of a Ray cluster to run on; local starts one here.")
    ] = None,
) -> None:
    """Make predictions entries to train on: those that are sure and possible, cleaned as deposited ones are."""
    from alphafold3_pytorch.curation import distill_command
    from alphafold3_pytorch.curation.distill import DistillSettings, Limits
    from alphafold3_pytorch.curation.policy import TRAINING
    from alphafold3_pytorch.curation.run import Request

    problems = None if max_problems < 0 else max_problems
    limits = Limits(min_plddt, min_ptm, min_iptm, min_ranking_score, max_pde, min_residues, problems, mask_plddt)
    settings = DistillSettings(TRAINING, out, None, ccd_dir, False, seconds, gigabytes, limits, all_samples, released)
    with interruptible():
        settings = distill_command.with_dates(settings, uniprot_mapping, train_set, workers)
        code = distill_command.distill_set(Request(predictions, settings, workers, False, ray_address))
    raise typer.Exit(code)


@data.command("cluster")
def cluster_entries(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="mmCIF files of the set, filtered.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FOLDER", help="Where the tables go.")],
    split: Annotated[str, typer.Option(help="train, val or test.")] = "train",
    reference: Annotated[
        list[Path] | None,
        typer.Option(metavar="FOLDER", help="Tables of the training set (val, test), then of validation (test)."),
    ] = None,
    max_identity: Annotated[float, typer.Option(min=0, max=1, help="Polymers above it are alike.")] = 0.4,
    max_tanimoto: Annotated[float, typer.Option(min=0, max=1, help="Ligands above it are alike.")] = 0.85,
    seed: Annotated[int, typer.Option(min=0, help="Of what is taken for validation.")] = 0,
    format: Annotated[str, typer.Option(help="Of the tables: csv or parquet.")] = "csv",
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; if not given, one for each core.")] = None,
    ray_address: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Of a Ray cluster that reads the files; local starts one here."),
    ] = None,
) -> None:
    """Cluster chains and interfaces, for sampling and for evaluation on what is new. Needs MMseqs2."""
    from alphafold3_pytorch.curation import cluster_command

    references = reference or []
    wanted = cluster_command.request(
        split, folder, out, references, workers, format, max_identity, max_tanimoto, seed, ray_address
    )
    with interruptible():
        code = cluster_command.cluster_set(wanted)
    raise typer.Exit(code)


@data.command("audit")
def audit_sets(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Has train_mmcifs, data_caches and so on in it.")],
    train_until: Annotated[str, typer.Option(metavar="DATE", help="Last release in training.")] = "2021-09-30",
    val_until: Annotated[str, typer.Option(metavar="DATE", help="Last release in validation.")] = "2023-01-13",
    test_until: Annotated[str, typer.Option(metavar="DATE", help="Last release in the test set.")] = "2024-04-30",
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; if not given, one for each core.")] = None,
) -> None:
    """Look for what ruins a training silently: clusters, alignments, chains, hands, dates, duplicates."""
    from alphafold3_pytorch.curation import cluster_command

    until = {"train": train_until, "val": val_until, "test": test_until}
    raise typer.Exit(cluster_command.audit_folder(folder, workers, until))


def one_line(error: Exception) -> str:
    """What went wrong, and with which file: a line for each mistake. What is indented goes on with the line before."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    mistakes = [" ".join(each.split()) for each in re.split(r"\n(?=\S)", str(error))]
    return "\naf3: ".join(each for each in mistakes if each) or type(error).__name__


def main() -> None:
    """Entry point. Errors that the user can mend (a value, a file) become a line each on stderr and exit code 2."""
    # Read when PyTorch is loaded. Threads that spin while they wait are ten times slower on a machine with other work.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        app(prog_name="af3")
    except (ValueError, OSError) as error:
        if os.environ.get("AF3_DEBUG"):
            raise
        print(f"af3: {one_line(error)}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
