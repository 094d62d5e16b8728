"""Reader of AlphaFold 3's own JSON, versions 1 to 4."""

from pathlib import Path
from typing import Any

from alphafold3_pytorch.chem.component import read_components
from alphafold3_pytorch.inputs.job import (
    AtomAddress,
    Bond,
    Dna,
    Entity,
    Job,
    Ligand,
    Modification,
    Protein,
    Rna,
    Template,
)
from alphafold3_pytorch.inputs.reading import Problems, Record, brief, made, parse_json, read_text

VERSIONS = (1, 2, 3, 4)
SINCE = {"unpairedMsaPath": 2, "pairedMsaPath": 2, "mmcifPath": 2, "userCCDPath": 3, "description": 4}


def read(path: Path | str) -> Job:
    """The job of a file. All its mistakes are in one ValueError, one a line."""
    path = Path(path)
    return parse(read_text(path), folder=path.parent, source=str(path))


def parse(text: str, folder: Path | None = None, source: str = "job") -> Job:
    """The job of a JSON text; paths in it are relative to the folder."""
    return _Reader(parse_json(text, source), folder or Path(), source).job()


class _Reader:
    def __init__(self, document: Any, folder: Path, source: str):
        self.problems = Problems(source)
        self.folder = folder
        self.top = Record(document, "", self.problems)
        self.version = 0

    def job(self) -> Job:
        self.problems.check()
        self._check_dialect()
        name = self.top.take("name", str)
        seeds = self.top.take_list("modelSeeds", int)
        entities = [self._entity(record) for record in self.top.records("sequences")]
        pairs = self.top.take_list("bondedAtomPairs", list, needed=False)
        bonds = [self._bond(pair, f"bondedAtomPairs[{number}]") for number, pair in enumerate(pairs)]
        own = self._text(self.top, "userCCD", "userCCDPath")
        components = made(self.problems, "userCCD", read_components, own) if own else {}
        self.top.finish()
        self.problems.check()
        good = tuple(entity for entity in entities if entity)
        self._check_bonds(bonds, good)
        job = made(
            self.problems,
            "",
            Job,
            name=name,
            entities=good,
            bonds=tuple(bond for bond in bonds if bond),
            seeds=tuple(seeds),
            components=components or {},
        )
        self.problems.check()
        assert job is not None
        return job

    def _check_dialect(self) -> None:
        dialect, self.version = self.top.take("dialect", str), self.top.take("version", int)
        if dialect != "alphafold3":
            self.problems.add("dialect", f'is {brief(dialect)}; this reader knows "alphafold3"')
        if self.version not in VERSIONS:
            self.problems.add("version", f"is {self.version}; known are {', '.join(map(str, VERSIONS))}")
        self.problems.check()

    def _take(self, record: Record, name: str, kind: type, default: Any) -> Any:
        """A value whose name came with a later version."""
        needed = SINCE.get(name, 1)
        refuse = f"needs version {needed}, this file says version {self.version}" if needed > self.version else ""
        return record.take(name, kind, default, refuse=refuse)

    def _text(self, record: Record, name: str, path_name: str) -> str | None:
        """A text that is there itself or in a file."""
        record.one_of(name, path_name)
        text, path = record.take(name, str, None), self._take(record, path_name, str, None)
        if path is None or text is not None:
            return text
        return made(self.problems, record.place(path_name), read_text, self.folder / path)

    def _entity(self, record: Record) -> Entity | None:
        kinds = {"protein": self._protein, "rna": self._rna, "dna": self._dna, "ligand": self._ligand}
        given = [kind for kind in kinds if kind in record.given]
        inner = Record(record.take(given[0], dict), record.place(given[0]), self.problems) if given else None
        record.known = list(kinds)
        record.finish()
        if inner is None or len(given) > 1:
            self.problems.add(record.path, f"must be one of {', '.join(kinds)}")
            return None
        count = len(self.problems.found)
        kwargs = {"ids": self._ids(inner), "description": self._take(inner, "description", str, "")}
        entity = kinds[given[0]](inner, kwargs)
        inner.finish()
        return entity if len(self.problems.found) == count else None

    def _ids(self, record: Record) -> tuple[str, ...]:
        single = isinstance(record.given.get("id"), str)
        ids = [record.take("id", str)] if single else record.take_list("id", str)
        for chain in ids:
            if not (chain.isascii() and chain.isalpha() and chain.isupper()):
                self.problems.add(record.place("id"), f"is {brief(chain)}; use upper-case letters")
        if record.given.get("id") == []:
            self.problems.add(record.place("id"), "is empty; give a letter or a list of them")
        return tuple(ids) or ("?",)

    def _protein(self, record: Record, kwargs: dict[str, Any]) -> Entity | None:
        unpaired = self._text(record, "unpairedMsa", "unpairedMsaPath")
        paired = self._text(record, "pairedMsa", "pairedMsaPath")
        if (unpaired is None) != (paired is None):
            missing = "pairedMsa" if paired is None else "unpairedMsa"
            self.problems.add(record.path, f'lacks {missing}; give both MSAs or none, "" for one that is not wanted')
        kwargs |= {"unpaired_msa": unpaired, "paired_msa": paired, "templates": self._templates(record)}
        return self._polymer(record, Protein, kwargs, "ptmType", "ptmPosition")

    def _rna(self, record: Record, kwargs: dict[str, Any]) -> Entity | None:
        kwargs["unpaired_msa"] = self._text(record, "unpairedMsa", "unpairedMsaPath")
        return self._polymer(record, Rna, kwargs, "modificationType", "basePosition")

    def _dna(self, record: Record, kwargs: dict[str, Any]) -> Entity | None:
        return self._polymer(record, Dna, kwargs, "modificationType", "basePosition")

    def _polymer(self, record: Record, kind: Any, kwargs: dict[str, Any], code: str, position: str) -> Entity | None:
        changes = []
        for change in record.records("modifications", needed=False):
            changes.append(Modification(change.take(code, str), change.take(position, int)))
            change.finish()
        sequence = record.take("sequence", str)
        if not isinstance(record.given.get("sequence"), str):
            return None
        return made(self.problems, record.path, kind, sequence=sequence, modifications=tuple(changes), **kwargs)

    def _templates(self, record: Record) -> tuple[Template, ...] | None:
        found = []
        for item in record.records("templates", needed=False):
            mmcif = self._text(item, "mmcif", "mmcifPath")
            indices = [tuple(item.take_list(name, int)) for name in ("queryIndices", "templateIndices")]
            item.finish()
            if mmcif is None:
                self.problems.add(item.path, "lacks mmcif; give the text of the template or mmcifPath")
            else:
                found.append(made(self.problems, item.path, Template, mmcif, *indices))
        given = record.given.get("templates") is not None
        return tuple(template for template in found if template) if given else None

    def _ligand(self, record: Record, kwargs: dict[str, Any]) -> Entity | None:
        codes, smiles = record.take_list("ccdCodes", str, needed=False), record.take("smiles", str, "")
        record.one_of("ccdCodes", "smiles")
        return made(self.problems, record.path, Ligand, codes=tuple(codes), smiles=smiles, **kwargs)

    def _bond(self, pair: list[Any], path: str) -> Bond | None:
        ends = [end for end in pair if isinstance(end, list) and [type(part) for part in end] == [str, int, str]]
        if len(pair) != 2 or len(ends) != 2:
            self.problems.add(path, f'is {brief(pair)}; write two atoms, [["A", 145, "SG"], ["L", 1, "C04"]]')
            return None
        return AtomAddress(*ends[0]), AtomAddress(*ends[1])

    def _check_bonds(self, bonds: list[Bond | None], entities: tuple[Entity, ...]) -> None:
        unnamed = {chain for entity in entities if isinstance(entity, Ligand) and entity.smiles for chain in entity.ids}
        for number, bond in enumerate(bonds):
            for end in bond or ():
                if end.chain in unnamed:
                    what = f"chain {end.chain} is given as SMILES, which has no atom names; give it as userCCD instead"
                    self.problems.add(f"bondedAtomPairs[{number}]", what)
