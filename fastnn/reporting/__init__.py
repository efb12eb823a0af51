"""Report: one page that shows what a network is, how it learned and what it can do."""

from fastnn.reporting.report import Report, report

__all__ = ["Report", "report"]
