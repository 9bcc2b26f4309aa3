"""The report of a study: its folder in one page that works offline, report.html and report.md."""
