import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alphafold3_pytorch.search.alignment import (
    Alignment,
    parse_a3m,
    parse_alignment,
    query_alone,
)

letters = st.sampled_from("ACDEFGHIKLMNPQRSTVWY")
inserted = st.text("acdefg", max_size=3)


@st.composite
def alignments(draw):
    """a3m text with the columns and deletions that it was made of."""
    width, height = draw(st.integers(1, 8)), draw(st.integers(1, 5))
    rows, counts, text = [], [], ""
    for row in range(height):
        columns = [draw(letters) if row == 0 else draw(letters | st.just("-")) for _ in range(width)]
        inserts = [draw(inserted) if row else "" for _ in range(width + 1)]
        rows.append("".join(columns))
        counts.append([len(insert) for insert in inserts[:width]])
        text += f">row {row}\n{''.join(i + c for i, c in zip(inserts, [*columns, ''], strict=True))}\n"
    return text, rows, counts


@given(alignments())
def test_columns_and_deletions_come_back(example):
    text, rows, counts = example
    alignment = parse_a3m(text)
    assert [alignment.sequence(row) for row in range(len(alignment))] == rows
    assert alignment.deletions.tolist() == counts


@given(alignments())
def test_stockholm_says_the_same_as_a3m(example):
    _, rows, _ = example
    text = "# STOCKHOLM 1.0\n#=GF x\n" + "".join(f"row/{n} {row}\n" for n, row in enumerate(rows)) + "//\n"
    assert np.array_equal(parse_alignment(text).letters, parse_a3m("".join(f">r\n{row}\n" for row in rows)).letters)


def test_columns_that_the_query_lacks_are_insertions():
    alignment = parse_alignment("# STOCKHOLM 1.0\nq A-C.\nh AGCT\n\nq DE\nh -E\n//\n")
    assert alignment.sequence(0) == "ACDE" and alignment.sequence(1) == "AC-E"
    assert alignment.deletions.tolist() == [[0, 0, 0, 0], [0, 1, 1, 0]]


@given(st.text(max_size=100))
def test_any_text_is_read_or_refused(text):
    try:
        assert isinstance(parse_alignment(text), Alignment)
    except ValueError:
        pass


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (">q\nACD\n>hit\nAC\n", r"row 2 .*'hit'.* 2 columns, the query has 3"),
        (">q\nACD\n>hit\nA1D\n", r"row 2 .* has '1' in it"),
        ("ACD\n", "first line must be a header"),
        ("", "no sequence"),
        ("# STOCKHOLM 1.0\nq ACD\nh AC\n", "not as long"),
        ("# STOCKHOLM 1.0\n//\n", "no sequence"),
    ],
)
def test_mistakes_are_named(text, message):
    with pytest.raises(ValueError, match=message):
        parse_alignment(text)


def test_species_by_uniprot_names():
    names = [
        "query",
        "tr|A0A146SKV9|A0A146SKV9_FUNHE/1-9",
        "sp|P0C2L1|A3X1_LOXLA",
        " sp|P12345_2|AB_HUMAN x",
        "UniRef100_X",
    ]
    alignment = Alignment(tuple(names), np.zeros((5, 1), np.uint8), np.zeros((5, 1), np.int32))
    assert alignment.species() == ("", "FUNHE", "LOXLA", "HUMAN", "")


def test_duplicates_go_and_the_first_stays():
    alignment = parse_a3m(">q\nACD\n>a\nAC-\n>b\nAaCD\n>c\nAC-\n").without_duplicates()
    assert alignment.names == ("q", "a") and query_alone("acd").sequence() == "ACD"


def test_species_by_numbers_of_taxa():
    """As in alignments of Protenix; UniRef names alone say nothing of the species."""
    names = ["q", "UniRef100_A0A2H1A674_498019/\t268\t0.985", "UniRef100_B4XYC1-2_285525", "UniRef100_B4XYC1\t338"]
    rows = "".join(f">{name}\nMK\n" for name in [*names, "UniRef90_A0A_9606/1-2"])
    assert parse_a3m(rows).species() == ("", "498019", "285525", "", "")
