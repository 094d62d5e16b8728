"""Stockholm alignments, as jackhmmer and nhmmer write them, to a3m."""

MARK = "# STOCKHOLM"


def is_stockholm(text: str) -> bool:
    return text.lstrip().startswith(MARK)


def to_a3m(text: str) -> str:
    """The same rows; columns where the first sequence has a gap become lower-case letters or vanish."""
    names, rows = parse(text)
    keep = [letter != "-" for letter in rows[0]]
    return "".join(f">{name}\n{_aligned(row, keep)}\n" for name, row in zip(names, rows, strict=True))


def parse(text: str) -> tuple[list[str], list[str]]:
    """Names and rows in capitals, with - for every gap."""
    sequences: dict[str, list[str]] = {}
    for line in text.splitlines():
        if not line.strip() or line.startswith(("#", "//")):
            continue
        fields = line.split()
        if len(fields) != 2:
            raise ValueError(f"{line[:40]!r} is no Stockholm line; one has a name and aligned letters")
        sequences.setdefault(fields[0], []).append(fields[1])
    if not sequences:
        raise ValueError("the Stockholm text has no sequence")
    names, rows = list(sequences), ["".join(parts).upper().replace(".", "-") for parts in sequences.values()]
    ragged = next((name for name, row in zip(names, rows, strict=True) if len(row) != len(rows[0])), None)
    if ragged is not None:
        raise ValueError(f"sequence {ragged[:40]!r} of the Stockholm alignment is not as long as the first")
    return names, rows


def _aligned(row: str, keep: list[bool]) -> str:
    return "".join(
        letter if column else letter.lower()
        for letter, column in zip(row, keep, strict=True)
        if column or letter != "-"
    )
