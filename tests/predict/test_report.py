"""The report: what it says, that it loads nothing, that text of users stays text, and that a browser shows it."""

import base64
import gzip
import hashlib
import json
import re
import shutil
import subprocess
from dataclasses import fields, replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alphafold3_pytorch.chem.component import Component
from alphafold3_pytorch.features.tokens import Tokens, tokenize
from alphafold3_pytorch.inputs.build import build
from alphafold3_pytorch.inputs.job import Job, Ligand, Protein
from alphafold3_pytorch.pages.html import Html, join, tag
from alphafold3_pytorch.predict.chemistry import Chemistry, Problem
from alphafold3_pytorch.predict.report import JobFacts, Result, facts, write_report
from alphafold3_pytorch.predict.report.pack import differences, page_data
from alphafold3_pytorch.predict.report.page import ASSETS, duration
from alphafold3_pytorch.predict.report.tables import ligands
from alphafold3_pytorch.predict.report.verdict import notices, verdict
from alphafold3_pytorch.structure.mmcif_text import mmcif_text
from alphafold3_pytorch.structure.table import Structure
from tests.predict.report_samples import made_up_facts, made_up_results, made_up_sample

# Once the view is up: the second sample, its wrong atom, an interface, and a residue under the pointer.
USE = """<script>(async () => {
  const page = document.documentElement, wait = (time) => new Promise((done) => setTimeout(done, time));
  while (!page.dataset.ready) await wait(50);
  for (const what of ['[data-show="1"]', '[data-sample="1"] [data-atoms]', "[data-pair]"]) {
    document.querySelector(what).click();
    await wait(800);
  }
  const box = document.getElementById("plddt").getBoundingClientRect();
  const over = { clientX: box.left + 40, clientY: box.top + 40 };
  document.getElementById("plddt").dispatchEvent(new PointerEvent("pointermove", over));
  page.dataset.used = document.getElementById("reading-plddt").textContent;
})()</script></body>"""
HOSTILE = """</script><script>document.documentElement.dataset.hacked=1</script><img src=x onerror="alert(1)">'&"""


class Page(HTMLParser):
    """A page as a browser would take it: elements, attributes, and text by element."""

    def __init__(self, text: str):
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text: list[tuple[str, str]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, "elements are closed in order"

    def handle_data(self, data: str) -> None:
        self.text.append((self.open[-1] if self.open else "", data))

    def all(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for element, attributes in self.elements if element == name]

    def visible(self) -> str:
        return " ".join(data for element, data in self.text if element not in ("script", "style"))


@pytest.fixture(scope="module")
def structure() -> Structure:
    """Two chains of a protein, ATP and magnesium: ideal residues beside each other."""
    entities = Protein(ids=("A", "B"), sequence="MKTAYIAKQRQISF"), Ligand(ids=("C",), codes=("ATP",))
    bare = build(Job("two chains", (*entities, Ligand(ids=("D",), codes=("MG",)))))
    positions = np.zeros((len(bare), 3))
    for number, (chain, place, atoms) in enumerate(bare.residues()):
        component: Component = bare.components[chain.residues[place]]
        rows = [component.index[name] for name in bare.names[atoms].tolist()]
        turn = np.deg2rad(100 * number)
        positions[atoms] = np.nan_to_num(component.ideal[rows]) + [8 * np.cos(turn), 8 * np.sin(turn), 1.5 * number]
    return replace(bare, positions=positions)


@pytest.fixture(scope="module")
def tokens(structure) -> Tokens:
    return tokenize(structure)


@pytest.fixture(scope="module")
def results(structure, tokens) -> list[Result]:
    plddt = made_up_sample(structure, tokens).plddt
    return made_up_results(structure, tokens, 7, mmcif_text(structure, "job", plddt))


def written(tmp_path: Path, job: JobFacts, results: list[Result], shown: int = 5) -> Page:
    path = tmp_path / "report.html"
    write_report(path, job, results, shown)
    return Page(path.read_text(encoding="utf-8"))


def unpacked(page: Page, name: str) -> bytes:
    """What an element of packed data holds."""
    place = next(i for i, (_, attributes) in enumerate(page.elements) if attributes.get("id") == name)
    scripts = [data for element, data in page.text if element == "script"]
    number = sum(element == "script" for element, _ in page.elements[:place])
    return gzip.decompress(base64.b64decode(scripts[number], validate=True))


# ---- the page


def test_nothing_is_loaded(tmp_path, tokens, results):
    page = written(tmp_path, made_up_facts(tokens), results)
    assert not page.all("link") and not page.all("img") and not page.all("iframe")
    assert not [attributes for _, attributes in page.elements if "src" in attributes or "srcset" in attributes]
    assert not [a["href"] for a in page.all("a") if re.match("(?!data:)[a-z]+:", a["href"] or "")]
    policy = next(a["content"] for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy") or ""
    assert policy.startswith("default-src 'none'") and "http" not in policy and "*" not in policy
    style = "".join(data for element, data in page.text if element == "style")
    assert "url(" not in style and "@import" not in style
    ours = "".join(file.read_text(encoding="utf-8") for file in ASSETS.glob("*.js"))
    assert "http" not in ours and "fetch(" not in ours and "</script" not in ours


def test_text_of_users_stays_text(tmp_path, tokens, results):
    problem = Problem("chirality", (f"A:1:MET:{HOSTILE}",), HOSTILE)
    chemistry = Chemistry({HOSTILE: 1}, (problem,), 0.0, {"chirality": 1})
    hostile = replace(
        results[0], chemistry=chemistry, link=f"javascript:{HOSTILE}", ligands={"C": HOSTILE}, mmcif=HOSTILE
    )
    job = made_up_facts(tokens, HOSTILE, settings={HOSTILE: HOSTILE}, descriptions={"A": HOSTILE}, warnings=(HOSTILE,))
    job = replace(job, weights=HOSTILE, licence=HOSTILE, date=HOSTILE)
    page = written(tmp_path, job, [hostile])
    plain = written(tmp_path, made_up_facts(tokens), [results[0]])
    assert len(page.all("script")) == len(plain.all("script")) and not page.all("img")
    assert not [key for _, attributes in page.elements for key in attributes if key.startswith("on")]
    assert not [a["href"] for a in page.all("a") if (a["href"] or "").startswith("javascript:")]
    assert page.visible().count(HOSTILE) >= 8
    assert unpacked(page, "structure-0").decode() == HOSTILE


def test_every_sample_is_listed_and_the_best_are_shown(tmp_path, tokens, results):
    page = written(tmp_path, made_up_facts(tokens, seeds=(1, 2)), results, shown=3)
    assert [b["data-show"] for b in page.all("button") if "data-show" in b] == ["0", "1", "2"]
    assert [s["data-sample"] for s in page.all("section") if "data-sample" in s] == ["0", "1", "2"]
    links = [a["href"] for a in page.all("a") if (a["href"] or "").endswith(".cif")]
    assert links == [result.link for result in results]
    assert "best 3 of 7" in page.visible() and "7 samples from 2 seeds" in page.visible()
    assert [a["id"] for a in page.all("script") if (a.get("id") or "").startswith("structure-")] == [
        "structure-0",
        "structure-1",
        "structure-2",
    ]


def test_numbers_are_in_the_tables(tmp_path, tokens, results):
    scores = replace(results[0].confidence, ranking_score=0.8125, ptm=0.6789, iptm=float("nan"))
    text = written(tmp_path, made_up_facts(tokens), [replace(results[0], confidence=scores)]).visible()
    assert "0.812" in text and "0.68" in text and "nan" not in text.lower()
    assert "Adenosine-5'-triphosphate" in text and "Magnesium ion" in text
    face = scores.interfaces[0]
    assert f"{face.ipsae:.2f}" in text and "\N{EN DASH}".join(face.chains) in text


def test_tables_and_plots_have_names(tmp_path, tokens, results):
    page = written(tmp_path, made_up_facts(tokens), results)
    assert len(page.all("caption")) == len(page.all("table")) > 10
    assert all(cell.get("scope") in ("row", "col") for cell in page.all("th"))
    assert all(canvas.get("aria-label") and canvas.get("role") == "img" for canvas in page.all("canvas"))
    assert all(button.get("type") == "button" for button in page.all("button"))
    assert page.all("html")[0]["lang"] == "en" and len(page.all("h1")) == 1


def test_problems_of_every_kind_are_listed(tmp_path, tokens, results):
    many = tuple(Problem("clash", (f"A:{n}:ALA:CA",), f"clash {n}") for n in range(1000))
    rare = Problem("chirality", ("A:1:MET:CA", "C:1:ATP:C1'"), "the rare one")
    chemistry = Chemistry({"clash": 5000, "chirality": 20}, (*many, rare), 0.1, {"clash": 4000, "chirality": 1})
    page = written(tmp_path, made_up_facts(tokens), [replace(results[0], chemistry=chemistry)])
    assert "the rare one" in page.visible() and "101 of 4,001" in page.visible()
    assert "A\t1\tCA\nC\t1\tC1'" in [button.get("data-atoms") for button in page.all("button")]


def test_ligands_are_saved_under_a_safe_name(tokens, results):
    result = replace(results[0], ligands={"C": "molecule\n$$$$\n"})
    link = Page(join(ligands(made_up_facts(tokens, "My job/1"), result))).all("a")[0]
    assert link["download"] == "my_job_1_seed-1_sample-0_C.sdf"
    assert base64.b64decode((link["href"] or "").split(",")[1]) == b"molecule\n$$$$\n"


def test_refusals(tmp_path, tokens, results):
    with pytest.raises(ValueError, match="no samples"):
        write_report(tmp_path / "report.html", made_up_facts(tokens), [])
    with pytest.raises(ValueError, match="shown is 0"):
        write_report(tmp_path / "report.html", made_up_facts(tokens), results, shown=0)
    assert not list(tmp_path.iterdir())


@given(st.recursive(st.text(max_size=12), st.lists))
def test_joined_text_is_what_it_was(content):
    def flat(item) -> str:
        return item if isinstance(item, str) else "".join(map(flat, item))

    read = "".join(data for _, data in Page(tag("p", content)).text)
    assert read == flat(content)
    assert join(Html("<b>")) == "<b>"


# ---- data


def test_pae_comes_back(tmp_path, structure, tokens, results):
    page = written(tmp_path, made_up_facts(tokens), results)
    steps = np.frombuffer(unpacked(page, "pae-1"), np.uint8).reshape(results[1].pae.shape)
    pae = np.cumsum(steps, axis=1, dtype=np.uint8) * facts.PAE_STEP
    expected = made_up_sample(structure, tokens, 1, quality=0.92).pae
    assert np.abs(pae - expected).max() <= facts.PAE_STEP / 2 + 1e-5
    assert unpacked(page, "pae-1") == differences(results[1].pae)


@pytest.mark.parametrize(("count", "side"), [(7, 7), (8, 7), (10, 3), (23, 4)])
def test_large_pae_is_averaged(count, side, monkeypatch):
    monkeypatch.setattr(facts, "PAE_SIDE", side)
    width = facts.tokens_per_pixel(count)
    pae = np.random.default_rng(0).uniform(0, 31, (count, count)).astype(np.float32)
    blocks = range(0, count, width)
    means = [[pae[i : i + width, j : j + width].mean() for j in blocks] for i in blocks]
    found = facts.quantised(pae)
    assert found.shape == np.shape(means) and len(found) <= side
    assert np.abs(found * facts.PAE_STEP - means).max() <= facts.PAE_STEP / 2 + 1e-4


def test_tokens_are_named(tokens, results):
    data = json.loads(json.dumps(page_data(tokens, results[:2])))
    assert [(c["id"], c["stop"] - c["start"]) for c in data["chains"]] == [("A", 14), ("B", 14), ("C", 31), ("D", 1)]
    assert data["names"][:2] == ["MET", "LYS"] and data["atoms"][:2] == ["", ""] and data["residues"][:2] == [1, 2]
    assert data["atoms"][28] == "PG" and data["names"][28] == "ATP" and set(data["residues"][28:59]) == {1}
    assert len(data["plddt"]) == 2 and len(data["plddt"][0]) == len(tokens)


def test_a_result_is_small(results):
    kept = [getattr(results[0], field.name) for field in fields(Result)]
    arrays = [value for value in kept if isinstance(value, np.ndarray)]
    assert len(arrays) == 2 and results[0].pae.dtype == np.uint8


# ---- words


@pytest.mark.parametrize(
    ("plddt", "ptm", "iptm", "level"),
    [
        (92.0, 0.9, 0.85, "high"),
        (92.0, 0.9, 0.7, "medium"),
        (92.0, 0.9, 0.3, "low"),
        (92.0, 0.9, float("nan"), "high"),
        (92.0, 0.4, float("nan"), "medium"),
        (60.0, 0.9, float("nan"), "medium"),
        (40.0, 0.9, 0.9, "low"),
        (92.0, float("nan"), float("nan"), "high"),
    ],
)
def test_verdict(tokens, results, plddt, ptm, iptm, level):
    scores = replace(results[0].confidence, plddt=plddt, ptm=ptm, iptm=iptm)
    judged = verdict(made_up_facts(tokens), replace(results[0], confidence=scores))
    assert judged.level == level and f"{plddt:.1f}" in judged.reasons[0]
    assert sum("ipTM" in reason for reason in judged.reasons) == (iptm == iptm)


def test_random_weights_are_no_prediction(tokens, results):
    job = made_up_facts(tokens, weights_warning="The weights are random.")
    assert verdict(job, results[0]).level == "none"
    assert notices(job, results)[0].severe and notices(job, results)[0].text == "The weights are random."


def test_warnings_say_which_samples(tokens, results):
    job = made_up_facts(tokens, msa_depths={"A": 1, "B": 29}, warnings=("No templates.",))
    found = {notice.text: notice for notice in notices(job, results)}
    assert [text for text in found if "Chain A: no related sequences" in text]
    assert [text for text in found if "chain B 29" in text] and "No templates." in found
    clash = next(notice for text, notice in found.items() if "clash" in text)
    assert clash.samples == "seed 1, sample 3" and not clash.severe
    assert [notice.samples for text, notice in found.items() if "other samples" in text] == ["seed 1, sample 1"]


def test_a_sound_job_has_no_warnings(tokens, results):
    assert not notices(made_up_facts(tokens), results[:1])


@pytest.mark.parametrize(("kind", "severe"), [("chirality", True), ("cis_peptide", False)])
def test_chemistry_of_the_best_sample(tokens, results, kind, severe):
    chemistry = Chemistry({kind: 9}, (Problem(kind, ("A:1:MET:CA",), "wrong"),), 0.0, {kind: 3})
    found = notices(made_up_facts(tokens), [replace(results[0], chemistry=chemistry), *results[2:3]])
    assert [(notice.severe, notice.samples) for notice in found] == [(severe, "seed 1, sample 0")]
    assert f"{kind.replace('_', ' ')} 3" in found[0].text


def test_disorder_and_low_confidence(tokens, results):
    scores = replace(results[0].confidence, fraction_disordered=0.7, chain_plddt=np.array([90.0, 40.0, 80.0, 49.0]))
    texts = [notice.text for notice in notices(made_up_facts(tokens), [replace(results[0], confidence=scores)])]
    assert [text for text in texts if "disordered" in text] and [text for text in texts if "Chains B, D" in text]


def test_durations():
    assert [duration(seconds) for seconds in (3.2, 119.0, 121.0, 7300.0)] == ["3 s", "119 s", "2 min", "2 h 2 min"]


# ---- the viewer


def test_the_viewer_is_the_one_that_it_says():
    folder = ASSETS / "molstar"
    about = json.loads((folder / "version.json").read_text(encoding="utf-8"))
    for name, expected in about["sha256"].items():
        assert hashlib.sha256(gzip.decompress((folder / f"{name}.gz").read_bytes())).hexdigest() == expected
    assert sum(file.stat().st_size for file in folder.iterdir()) < 2e6
    assert "The MIT License" in (folder / "LICENSE").read_text(encoding="utf-8")


def test_licence_of_the_viewer_is_in_the_page(tmp_path, tokens, results):
    text = written(tmp_path, made_up_facts(tokens), results[:1]).visible()
    assert "Permission is hereby granted" in text and "Mol*" in text


@pytest.mark.slow
def test_a_browser_shows_it_without_a_network(tmp_path, tokens, results):
    """The view is up, nothing was refused by the page's policy or failed, and nothing of a user's text has run."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no Chromium on this machine")
    path = tmp_path / "report.html"
    write_report(path, made_up_facts(tokens, HOSTILE), results, shown=2)
    path.write_text(path.read_text(encoding="utf-8").replace("</body>", USE), encoding="utf-8")
    command = [
        browser,
        "--headless=new",
        "--no-sandbox",
        "--window-size=800,600",
        f"--user-data-dir={tmp_path / 'profile'}",
    ]
    command += ["--enable-unsafe-swiftshader", "--use-angle=swiftshader", "--host-resolver-rules=MAP * ~NOTFOUND"]
    command += ["--virtual-time-budget=8000", "--enable-logging=stderr", "--dump-dom", path.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert 'data-ready="view"' in done.stdout[:300], done.stdout[:300] + done.stderr[-2000:]
    assert 'data-used="A MET 1: pLDDT' in done.stdout[:300] and "data-hacked" not in done.stdout[:300]
    assert "CONSOLE" not in done.stderr, [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    shown = re.findall(r"<section data-sample=\"\d\"( hidden=\"\")?>", done.stdout)
    assert shown == [' hidden=""', ""]
