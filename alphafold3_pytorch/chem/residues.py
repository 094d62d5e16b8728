"""The residue-type vocabulary of the package, and what is known of every standard residue.

32 classes: 20 amino acids, an unknown one (also for ligand atoms), A G C U and an unknown ribonucleotide,
DA DG DC DT and an unknown deoxyribonucleotide, the alignment gap. Everything inside speaks this vocabulary;
weights made with another one are translated when they are loaded.
"""

from dataclasses import dataclass

_BACKBONE = "N CA C O"
_PHOSPHATE = "OP3 P OP1 OP2"
_RIBOSE = f"{_PHOSPHATE} O5' C5' C4' O4' C3' O3' C2' O2' C1'"
_DEOXYRIBOSE = f"{_PHOSPHATE} O5' C5' C4' O4' C3' O3' C2' C1'"
_SIDE_CHAINS = {
    "ALA": "CB",
    "ARG": "CB CG CD NE CZ NH1 NH2",
    "ASN": "CB CG OD1 ND2",
    "ASP": "CB CG OD1 OD2",
    "CYS": "CB SG",
    "GLN": "CB CG CD OE1 NE2",
    "GLU": "CB CG CD OE1 OE2",
    "GLY": "",
    "HIS": "CB CG ND1 CD2 CE1 NE2",
    "ILE": "CB CG1 CG2 CD1",
    "LEU": "CB CG CD1 CD2",
    "LYS": "CB CG CD CE NZ",
    "MET": "CB CG SD CE",
    "PHE": "CB CG CD1 CD2 CE1 CE2 CZ",
    "PRO": "CB CG CD",
    "SER": "CB OG",
    "THR": "CB OG1 CG2",
    "TRP": "CB CG CD1 CD2 NE1 CE2 CE3 CZ2 CZ3 CH2",
    "TYR": "CB CG CD1 CD2 CE1 CE2 CZ OH",
    "VAL": "CB CG1 CG2",
}
_BASES = {
    "A": "N9 C8 N7 C5 C6 N6 N1 C2 N3 C4",
    "G": "N9 C8 N7 C5 C6 O6 N1 C2 N2 N3 C4",
    "C": "N1 C2 O2 N3 C4 N4 C5 C6",
    "U": "N1 C2 O2 N3 C4 O4 C5 C6",
    "DT": "N1 C2 O2 N3 C4 O4 C5 C7 C6",
}
_PURINES = {"A", "G", "DA", "DG"}

LETTERS = "ARNDCQEGHILKMFPSTWYV"
PROTEIN, RNA, DNA, LIGAND = "protein", "rna", "dna", "ligand"
POLYMERS = (PROTEIN, RNA, DNA)


@dataclass(frozen=True)
class Residue:
    """A class of the vocabulary."""

    name: str
    letter: str
    kind: str  # protein, rna, dna, or "gap"
    atoms: tuple[str, ...] = ()  # heavy atoms inside a chain in dictionary order; OP3 only at the 5' end
    centre: str = ""
    distogram: str = ""
    frame: tuple[str, ...] = ()  # N CA C, or C1' C3' C4'


def _amino_acid(name: str, letter: str) -> Residue:
    atoms = f"{_BACKBONE} {_SIDE_CHAINS[name]}".split()
    return Residue(name, letter, PROTEIN, tuple(atoms), "CA", "CA" if name == "GLY" else "CB", ("N", "CA", "C"))


def _nucleotide(name: str) -> Residue:
    deoxy = name.startswith("D")
    base = _BASES.get(name) or _BASES[name.removeprefix("D")]
    atoms = f"{_DEOXYRIBOSE if deoxy else _RIBOSE} {base}".split()
    distogram = "C4" if name in _PURINES else "C2"
    return Residue(name, name[-1], DNA if deoxy else RNA, tuple(atoms), "C1'", distogram, ("C1'", "C3'", "C4'"))


RESIDUES: tuple[Residue, ...] = (
    *(_amino_acid(name, letter) for name, letter in zip(_SIDE_CHAINS, LETTERS, strict=True)),
    Residue("UNK", "X", PROTEIN, centre="CA", distogram="CB", frame=("N", "CA", "C")),
    *(_nucleotide(name) for name in ("A", "G", "C", "U")),
    Residue("N", "N", RNA, centre="C1'", frame=("C1'", "C3'", "C4'")),
    *(_nucleotide(name) for name in ("DA", "DG", "DC", "DT")),
    Residue("DN", "N", DNA, centre="C1'", frame=("C1'", "C3'", "C4'")),
    Residue("GAP", "-", "gap"),
)
INDEX = {residue.name: index for index, residue in enumerate(RESIDUES)}
UNKNOWN, UNKNOWN_RNA, UNKNOWN_DNA, GAP = INDEX["UNK"], INDEX["N"], INDEX["DN"], INDEX["GAP"]
CLASSES = len(RESIDUES)

# What a letter means in a sequence of each kind, and the class of whatever else stands there.
UNKNOWN_OF = {PROTEIN: UNKNOWN, RNA: UNKNOWN_RNA, DNA: UNKNOWN_DNA, LIGAND: UNKNOWN}
BY_LETTER = {
    kind: {residue.letter: index for index, residue in enumerate(RESIDUES) if residue.kind == kind} for kind in POLYMERS
}
# Terminal atoms, absent inside a chain: at the C terminus of a protein, at the 5' end of a nucleic acid.
C_TERMINAL, FIVE_PRIME = "OXT", "OP3"


def residue_name(letter: str, kind: str) -> str:
    """The component code of a sequence letter: `R` in a protein is ARG, `T` in DNA is DT; UNK, N or DN for others."""
    return RESIDUES[BY_LETTER[kind].get(letter.upper(), UNKNOWN_OF[kind])].name


def index_of(name: str, kind: str) -> int:
    """The class of a residue of a chain of this kind: unknown for what is not standard there, and for ligands."""
    index = INDEX.get(name, UNKNOWN_OF[kind])
    return index if RESIDUES[index].kind == kind else UNKNOWN_OF[kind]
