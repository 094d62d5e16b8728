"""The report: one HTML file that shows all samples of a job, and opens without a network.

results = [Result.of(sample, confidence, chemistry, mmcif, link) for ...]  # best first
write_report(folder / "report.html", JobFacts(...), results)
"""

from alphafold3_pytorch.predict.report.facts import JobFacts, Result
from alphafold3_pytorch.predict.report.page import write_report

__all__ = ["JobFacts", "Result", "write_report"]
