"""A folder of mmCIF files to a filtered set of them, with a report."""

import os
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from alphafold3_pytorch.curation.filter_report import write_report
from alphafold3_pytorch.curation.filters import FAILED, KEPT, Decision, Settings, failure, filter_file, output_path
from alphafold3_pytorch.curation.journal import EXISTING, Journal
from alphafold3_pytorch.curation.source import SUFFIX
from alphafold3_pytorch.curation.spread import on_ray, on_this_machine


@dataclass(frozen=True)
class Request:
    assembly_dir: Path
    settings: Settings
    workers: int | None = None  # as many as there are cores
    skip_existing: bool = False  # files that were written by whatever means stay as they are
    ray_address: str | None = None


def run(request: Request) -> Counter[str]:
    """Filter every file, print those that fail, write the report. Returns how many were kept, dropped and failed."""
    settings = request.settings
    for name, folder in (("assembly", request.assembly_dir), ("asymmetric unit", settings.asym_dir)):
        if folder is not None and not folder.is_dir():
            raise ValueError(f"the {name} folder {folder} does not exist")
    settings.output_dir.mkdir(parents=True, exist_ok=True)
    seen: set[str] = set()
    with Journal(settings) as journal, closing(_decided(request, _tasks(request, journal, seen))) as decided:
        for decision in decided:
            journal.add(decision)
            if decision.status == FAILED:
                print(f"{Path(decision.file).name}: {decision.reason}", flush=True)
    if not seen:
        raise ValueError(f"{request.assembly_dir} has no files that end in .cif, .bcif, .cif.gz or .bcif.gz")
    return write_report(settings, seen)


def _decided(request: Request, tasks: Iterator[Path]) -> Generator[Decision, None, None]:
    function = partial(filter_file, settings=request.settings)
    if request.ray_address is not None:
        return on_ray(function, tasks, request.ray_address, _lost)
    return on_this_machine(function, tasks, request.workers or os.cpu_count() or 1, _lost)


def _lost(path: Path) -> Decision:
    return failure(path, "memory", "the process that read it died, most likely for want of memory")


def _tasks(request: Request, journal: Journal, seen: set[str]) -> Iterator[Path]:
    """Files that are not decided yet, in order of their names. What exists is decided here if that is asked for."""
    for path in structure_files(request.assembly_dir):
        seen.add(str(path))
        if journal.knows(path):
            continue
        if request.skip_existing and _exists(path, request.settings):
            journal.add(Decision(str(path), KEPT, EXISTING))
            continue
        yield path


def _exists(path: Path, settings: Settings) -> bool:
    try:
        return output_path(path, settings.output_dir).exists()
    except ValueError:  # no name of an entry
        return False


def structure_files(folder: Path) -> Iterator[Path]:
    """Files side by side or in folders, folder by folder."""
    for place, folders, files in os.walk(folder, followlinks=True):
        folders.sort()
        yield from (Path(place, name) for name in sorted(files) if SUFFIX.search(name) and not name.startswith("."))
