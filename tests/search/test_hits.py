import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alphafold3_pytorch.search.hits import parse_hits

HHR = """Query         query
Match_columns 12

 No Hit                             Prob E-value P-value  Score    SS Cols Query HMM  Template HMM
  1 1ABC_B Some protein              99.9 1.2E-10 1.0E-12   71.9   0.0    8    2-9      5-13  (20)

No 1
>1ABC_B Some protein; with T words 1 A 2 (3)
Probab=99.90  E-value=1.2e-10  Score=71.90  Aligned_cols=8  Identities=80%  Similarity=1.0

Q ss_pred             CCCCC
Q query             2 KV-LLE    6 (12)
Q Consensus         2 kv-lle    6 (12)
                      ++ ++|
T Consensus         5 kvalle   10 (20)
T 1ABC_B            5 KVALLE   10 (20)
T ss_dssp             CCCCCC

Q query             7 GHM    9 (12)
Q Consensus         7 ghm    9 (12)
T Consensus        11 g-m   12 (20)
T 1ABC_B           11 G-M   12 (20)

No 2
>SCOP_DOMAIN of another database
Probab=9.9  E-value=2
Q query             1 A    1 (12)
T SCOP_DOMAIN       1 A    1 (1)
"""
A3M = """>query
AKVLLEGHM
>1abc_B/5-12 [subseq from] mol:protein length:20  Some
-KVaLLEG
-M
>7xyz_AA/1-2 x
--AK-----
"""
STO = """# STOCKHOLM 1.0
#=GF ID query
#=GS 1abc_B/5-12   DE [subseq from] mol:protein length:20  Some protein

1abc_B/5-12            .KV
#=GR 1abc_B/5-12   PP .99
7xyz_AA/1-2            .--
#=GC RF                .xx

1abc_B/5-12            aLLEG-M
7xyz_AA/1-2            .AK----
#=GC RF                .xxxxxx
//
"""


def test_hhsearch():
    (hit,) = parse_hits(HHR)
    assert (hit.entry, hit.chain, hit.name, hit.e_value) == ("1abc", "B", "1abc_B", 1.2e-10)
    assert (hit.sequence, hit.start, hit.length) == ("KVALLEGM", 4, 20)
    assert hit.query_indices == (1, 2, 3, 4, 5, 6, 8) and hit.indices == (0, 1, 3, 4, 5, 6, 7)


def test_hmmsearch_a3m():
    first, second = parse_hits(A3M)
    assert (first.sequence, first.start, first.length, first.e_value) == ("KVALLEGM", 4, 20, None)
    assert first.query_indices == (1, 2, 3, 4, 5, 6, 8) and first.indices == (0, 1, 3, 4, 5, 6, 7)
    assert (second.name, second.length, second.query_indices) == ("7xyz_AA", None, (2, 3))


def test_hmmsearch_stockholm():
    first, second = parse_hits(STO)
    assert (first.sequence, first.start, first.length) == ("KVALLEGM", 4, 20)
    assert first.query_indices == (0, 1, 2, 3, 4, 5, 7) and first.indices == (0, 1, 3, 4, 5, 6, 7)
    assert second.query_indices == (2, 3) and second.length is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (A3M.replace("5-12", "5-13"), "hit 1abc_B/5-13 has 8 residues; by its name there are 9"),
        (STO.replace("aLLEG-M", "aLLEG-MM"), "1abc_B/5-12 of the Stockholm alignment has 11 columns"),
        (HHR.replace("T 1ABC_B           11 G-M", "T 1ABC_B           11 G-"), "1ABC_B of the HHsearch report"),
    ],
)
def test_what_does_not_fit_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        parse_hits(text)


@given(st.data())
def test_broken_reports_are_refused(data):
    text = data.draw(st.sampled_from([HHR, A3M, STO]))
    start = data.draw(st.integers(0, len(text)))
    try:
        parse_hits(text[:start] + text[start + data.draw(st.integers(1, 30)) :])
    except ValueError:
        pass


def test_real_reports(shared):
    """Against the number of entries that others counted in the same files."""
    folder = shared / "data"
    for item in json.loads((folder / "templates" / "index.json").read_text()):
        with gzip.open(folder / item["file"], "rt") as file:
            text = file.read()
        if "a3m_no_realign" in item["file"]:  # rows of which one is longer
            with pytest.raises(ValueError, match="is aligned to 254 columns, but the query has 255 residues"):
                parse_hits(text)
            continue
        hits = parse_hits(text)
        entries = {hit.entry for hit in hits}
        unnamed = {"2uvo_hhsearch": 2, "sto_hmmalign": 1}  # hits without a chain, the query itself
        missing = next((count for name, count in unnamed.items() if name in item["file"]), 0)
        assert len(entries) == item["hit_entries"] - missing, item["file"]
        assert set(item["hit_entries_available"]) - entries <= {"7cnw"}
        for hit in hits:
            assert hit.length is None or hit.start + len(hit.sequence) <= hit.length
            assert len(hit.query_indices) == len(hit.indices) and max(hit.indices) < len(hit.sequence)
