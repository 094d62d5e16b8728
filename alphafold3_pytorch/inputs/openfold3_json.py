"""Reader and writer of OpenFold3 JSON: queries by name, chains with their kind."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from alphafold3_pytorch.inputs.job import (
    AtomAddress,
    Bond,
    Dna,
    Entity,
    Job,
    Ligand,
    Modification,
    Polymer,
    Protein,
    Rna,
    Template,
    head_to_tail,
)
from alphafold3_pytorch.inputs.keyed import Species, keyed_alignments
from alphafold3_pytorch.inputs.molecule_files import read_molecule, sdf_names, sdf_of
from alphafold3_pytorch.inputs.reading import Problems, Record, brief, find, made, parse_json, read_a3m, read_text
from alphafold3_pytorch.inputs.template_files import template_of
from alphafold3_pytorch.inputs.writing import Draft, no_molecule_file, own_component, rings
from alphafold3_pytorch.structure.mmcif import read_entry

POLYMERS: dict[str, Any] = {"protein": Protein, "rna": Rna, "dna": Dna}
KINDS = (*POLYMERS, "ligand")
TEMPLATE_KEYS = "template_alignment_file_path", "template_cif_paths", "template_cif_chain_ids"
BY_SPECIES = ("uniprot_hits", "uniprot")  # alignments that OpenFold3 pairs by species
MAIN, PAIRED, DUMMY = "colabfold_main", "uniprot_hits", "dummy"  # names of alignment files that it knows


def parse(text: str, folder: Path | None = None, source: str = "job") -> list[Job]:
    """The jobs of a JSON text; paths in it are relative to the folder, or to where the program runs."""
    return _Reader(parse_json(text, source), folder or Path(), source).jobs()


class _Reader:
    def __init__(self, document: Any, folder: Path, source: str):
        self.problems, self.folder = Problems(source), folder
        self.top = Record(document, "", self.problems)
        self.species = Species()
        self.rings: list[Bond] = []

    def jobs(self) -> list[Job]:
        self.problems.check()
        seeds = self.top.seeds("seeds")
        queries = self.top.take("queries", dict)
        if not queries and not self.problems.found:
            self.problems.add("queries", "is empty; give at least one query")
        jobs = [
            self._job(name, Record(query, f"queries.{name}", self.problems), seeds) for name, query in queries.items()
        ]
        self.top.finish()
        self.problems.check()
        return [job for job in jobs if job]

    def _job(self, name: str, query: Record, seeds: tuple[int, ...]) -> Job | None:
        count = len(self.problems.found)
        self.species, self.rings = Species(), []
        inner = query.take("query_name", str, name)
        if inner != name:
            self.problems.add(query.place("query_name"), f"is {brief(inner)}, but the query is called {brief(name)}")
        wanted = {key: query.take(key, bool, True) for key in ("use_msas", "use_main_msas", "use_paired_msas")}
        query.refuse("pocket_constraint", reason="pocket constraints are not supported; remove it")
        reason = "is not supported; atoms that the dictionary marks as leaving go with a bond by themselves"
        query.refuse("leaving_atoms", reason=reason)
        entities = [self._entity(chain, wanted) for chain in query.records("chains")]
        pairs = enumerate(query.take_list("covalent_bonds", list, needed=False))
        bonds = [self._bond(pair, f"{query.place('covalent_bonds')}[{number}]") for number, pair in pairs]
        query.finish()
        if len(self.problems.found) > count:
            return None
        present = tuple(entity for entity in entities if entity)
        joined = (*(bond for bond in bonds if bond), *self.rings)
        return made(self.problems, query.path, Job, name=name, entities=present, bonds=joined, seeds=seeds)

    def _entity(self, chain: Record, wanted: dict[str, bool]) -> Entity | None:
        count = len(self.problems.found)
        kind = chain.take("molecule_type", str).lower()
        if kind not in KINDS and len(self.problems.found) == count:
            self.problems.add(chain.place("molecule_type"), f"is {brief(kind)}; known are {', '.join(KINDS)}")
        if kind not in KINDS:
            return None
        wanted = {key: chain.take(key, bool, True) and value for key, value in wanted.items()}
        content = {"ids": tuple(chain.texts("chain_ids")), "description": chain.take("description", str, "")}
        content |= self._ligand(chain, content) if kind == "ligand" else self._polymer(kind, chain, wanted)
        closed = chain.take("cyclic", bool, False)
        self._refuse_foreign(kind, chain)
        chain.finish()
        if len(self.problems.found) > count:
            return None
        entity = made(self.problems, chain.path, POLYMERS.get(kind, Ligand), **content)
        if closed and entity and not isinstance(entity, Ligand):
            with self.problems.at(chain.place("cyclic")):
                self.rings += [head_to_tail(name, entity) for name in entity.ids]
        return entity

    def _refuse_foreign(self, kind: str, chain: Record) -> None:
        """What the format has for chains of another kind."""
        reason = "is what OpenFold3 notes of its own choice; remove it, the hits are chosen anew"
        chain.refuse("template_entry_chain_ids", reason=reason)
        if kind != "protein":
            chain.refuse(*TEMPLATE_KEYS, reason="templates are for proteins")
        if kind == "ligand":
            chain.refuse("cyclic", reason="is for polymers; the rings of a ligand are in its SMILES or component")
            polymer = ("sequence", "non_canonical_residues", "main_msa_file_paths", "paired_msa_file_paths")
            chain.refuse(*polymer, reason="is for polymers, this is a ligand")
            return
        chain.refuse("smiles", "ccd_codes", "sdf_file_path", "ligand_name", reason=f"is for ligands, this is {kind}")
        if kind == "dna":
            reason = "alignments of DNA are not used"
            chain.refuse("main_msa_file_paths", "paired_msa_file_paths", reason=reason)
        if kind == "rna":
            chain.refuse("paired_msa_file_paths", reason="only alignments of proteins are paired")

    def _polymer(self, kind: str, chain: Record, wanted: dict[str, bool]) -> dict[str, Any]:
        changes = []
        for position, code in chain.take("non_canonical_residues", dict, {}).items():
            if position.isdecimal() and len(position) < 10 and isinstance(code, str):
                changes.append(Modification(code, int(position)))
            else:
                where = chain.place("non_canonical_residues")
                self.problems.add(where, f'has {brief(position)}: {brief(code)}; write "5": "SEP"')
        content: dict[str, Any] = {"sequence": chain.take("sequence", str), "modifications": tuple(changes)}
        if kind == "dna":
            return content
        unpaired, paired = self._alignments(kind, chain)
        if kind == "rna":
            return content | {"unpaired_msa": unpaired if wanted["use_msas"] and wanted["use_main_msas"] else ""}
        templates = self._templates(chain, content["sequence"])
        return content | templates | self._wanted(chain, unpaired, paired, wanted)

    def _templates(self, chain: Record, query: str) -> dict[str, Any]:
        """Hits of a search, or structure files; of these the named chains, or those that are most like the query."""
        hits, files, chains = TEMPLATE_KEYS
        chain.one_of(hits, files)
        path, paths = chain.take(hits, str, None), chain.texts(files, needed=False)
        if path and path.endswith((".m8", ".npz")):
            self.problems.add(chain.place(hits), "has no alignments of hits; give what hmmsearch writes (sto, a3m)")
        elif path:
            return {"template_hits": made(self.problems, chain.place(hits), read_text, find(self.folder, path))}
        names = chain.take(chains, list, [None] * len(paths))
        if len(names) != len(paths) or not all(name is None or isinstance(name, str) for name in names):
            self.problems.add(chain.place(chains), f"is {brief(names)}; give a chain or null for each of {files}")
            return {}
        found: list[Template] = []
        for name, place in zip(names, paths, strict=True):
            with self.problems.at(chain.place(files)):
                template = template_of(read_entry(find(self.folder, place)), query, name)
                if template is None:
                    raise ValueError(f"{place} has no chain that is like the sequence")
                found.append(template)
        return {"templates": tuple(found)} if paths else {}

    def _wanted(
        self, chain: Record, unpaired: str | None, paired: str | None, wanted: dict[str, bool]
    ) -> dict[str, str | None]:
        """Alignments after what the query says of their use."""
        if not wanted["use_msas"] or not (wanted["use_main_msas"] or wanted["use_paired_msas"]):
            return {"unpaired_msa": "", "paired_msa": ""}
        if unpaired is None and paired is None:
            if not all(wanted.values()):
                what = "use_main_msas and use_paired_msas can be switched off alone only where alignments are given"
                self.problems.add(chain.path, what)
            return {"unpaired_msa": None, "paired_msa": None}
        main, pairs = wanted["use_main_msas"], wanted["use_paired_msas"]
        return {"unpaired_msa": (unpaired or "") if main else "", "paired_msa": (paired or "") if pairs else ""}

    def _alignments(self, kind: str, chain: Record) -> tuple[str | None, str | None]:
        """The unpaired and the paired alignment. Rows of files that are paired already are paired by their place."""
        main = self._read_files(chain, "main_msa_file_paths")
        species = [text for name, text in main if name in BY_SPECIES and kind == "protein"]
        others = [text for name, text in main if not (name in BY_SPECIES and kind == "protein")]
        rows = [text for _, text in self._read_files(chain, "paired_msa_file_paths")] if kind == "protein" else []
        if rows and species:
            self.problems.add(chain.path, "has alignments to be paired by species (uniprot) and by row; give one kind")
        paired = "".join(species)
        if rows:
            sequences = [(row, str(place)) for place, row in enumerate(_rows("".join(rows)))]
            paired = keyed_alignments(sequences, self.species)[1] if sequences else ""
        return ("".join(others) if others or paired else None), (paired if main or rows else None)

    def _read_files(self, chain: Record, name: str) -> list[tuple[str, str]]:
        """Names, without suffix, and texts of alignment files; those of a folder in alphabetical order."""
        found: list[tuple[str, str]] = []
        for path in chain.texts(name, needed=False):
            with self.problems.at(chain.place(name)):
                place = find(self.folder, path)
                files = sorted(place.iterdir()) if place.is_dir() else [place]
                for file in files:
                    text = read_a3m(Path(), str(file))
                    found.append((file.name.split(".")[0], text if not text or text.endswith("\n") else f"{text}\n"))
        return found

    def _ligand(self, chain: Record, content: dict[str, Any]) -> dict[str, Any]:
        chain.one_of("smiles", "ccd_codes", "sdf_file_path")
        smiles, path = chain.take("smiles", str, ""), chain.take("sdf_file_path", str, None)
        codes = tuple(chain.texts("ccd_codes", needed=False))
        label = chain.take("ligand_name", str, "")
        found = {"smiles": smiles, "codes": codes, "description": content["description"] or label}
        if path:
            place = chain.place("sdf_file_path")
            found["component"] = made(self.problems, place, read_molecule, self.folder, path)
        return found

    def _bond(self, pair: list[Any], path: str) -> Bond | None:
        ends = [end for end in pair if isinstance(end, list) and [type(part) for part in end] == [str, int, str]]
        if len(pair) != 2 or len(ends) != 2:
            what = f'is {brief(pair)}; write two atoms by name, [["A", 145, "SG"], ["L", 1, "C04"]]'
            self.problems.add(path, what)
            return None
        return AtomAddress(*ends[0]), AtomAddress(*ends[1])


def _rows(a3m: str) -> list[str]:
    """The sequences of an alignment."""
    return ["".join(part.splitlines()[1:]) for part in f"\n{a3m}".split("\n>")[1:]]


def write(jobs: Sequence[Job], draft: Draft) -> None:
    """All jobs in one file, alignments and molecules in files beside it."""
    queries: dict[str, Any] = {}
    for job in jobs:
        name = job.name if job.name not in queries else f"{job.name} {len(queries) + 1}"
        if name != job.name:
            draft.lose(job, f"the name, which another job has; it is {name} now")
        queries[name] = _Writer(job, draft).query()
    document: dict[str, Any] = {"queries": queries}
    if len({job.seeds for job in jobs}) == 1:
        document = ({"seeds": list(jobs[0].seeds)} if jobs[0].seeds != (1,) else {}) | document
    else:
        for job in jobs:
            draft.lose_seeds(job)
    draft.add(jobs[0].name, ".json", json.dumps(document, indent=2) + "\n")


class _Writer:
    def __init__(self, job: Job, draft: Draft):
        self.job, self.draft = draft.sayable(job, no_molecule_file), draft
        self.names: dict[str, dict[str, str]] = {}  # of atoms in molecule files, by chain

    def query(self) -> dict[str, Any]:
        closed, bonds = rings(self.job)
        chains = [self._chain(entity, number in closed) for number, entity in enumerate(self.job.entities)]
        joined = [[self._end(end) for end in bond] for bond in bonds]
        return {"chains": chains} | ({"covalent_bonds": joined} if joined else {})

    def _end(self, end: AtomAddress) -> list[Any]:
        return [end.chain, end.residue, self.names.get(end.chain, {}).get(end.atom, end.atom)]

    def _chain(self, entity: Entity, closed: bool) -> dict[str, Any]:
        self.draft.lose_fields(self.job, entity, "templates", "template_hits", "max_template_date")
        content = self._ligand(entity) if isinstance(entity, Ligand) else self._polymer(entity)
        described = {"description": entity.description} if entity.description else {}
        ring = {"cyclic": True} if closed else {}
        return {"molecule_type": entity.kind, "chain_ids": list(entity.ids), **described, **content, **ring}

    def _polymer(self, entity: Polymer) -> dict[str, Any]:
        content: dict[str, Any] = {"sequence": entity.sequence}
        kept = self.draft.standard_modifications(self.job, entity)
        if kept:
            content["non_canonical_residues"] = {str(change.position): change.code for change in kept}
        if entity.kind == "dna":
            self.draft.lose_fields(self.job, entity, "unpaired_msa", "paired_msa")
            return content
        names = ("unpaired_msa", "paired_msa") if entity.kind == "protein" else ("unpaired_msa",)
        return content | self._alignments(entity, self.draft.alignments(self.job, entity, *names))

    def _alignments(self, entity: Polymer, texts: dict[str, str | None]) -> dict[str, Any]:
        """Files in a folder of the chain, by the names that OpenFold3 knows."""
        if all(text is None for text in texts.values()):
            return {}
        if not any(texts.values()):
            texts = {DUMMY: f">query\n{entity.sequence}\n"}
        files = {"unpaired_msa": MAIN, "paired_msa": PAIRED, DUMMY: DUMMY}
        paths = [self.draft.attach(entity, f"/{files[name]}.a3m", text) for name, text in texts.items() if text]
        return {"main_msa_file_paths": paths}

    def _ligand(self, ligand: Ligand) -> dict[str, Any]:
        own = own_component(self.job, ligand)
        if own is not None:
            self.names |= dict.fromkeys(ligand.ids, sdf_names(own))
            return {"sdf_file_path": self.draft.attach(ligand, ".sdf", sdf_of(own))}
        return {"smiles": ligand.smiles} if ligand.smiles else {"ccd_codes": list(ligand.codes)}
