"""The report of an evaluation: Markdown, one self-contained page, JSON and CSV."""

from jax_inpaint.evaluation.report.write import write_report

__all__ = ["write_report"]
