"""The output of `longtail fix`: files and text."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from longtail.cli.console import say
from longtail.cli.diagnosis_json import diagnosis_json
from longtail.cli.diagnosis_text import print_diagnosis, print_next_steps
from longtail.repair import Diagnosis


@dataclass(frozen=True)
class FixOutput:
    """Output options.

    Attributes:
        fix: path of the fix.
        report: path of the HTML report, or None.
        as_json: print all results as JSON, and nothing else on standard output.
        quiet: print only the verdict and the paths.
    """

    fix: Path
    report: Path | None
    as_json: bool = False
    quiet: bool = False

    def write(self, found: Diagnosis, source: str, warnings: Sequence[str]) -> None:
        """Write the fix, then the report, and print the results.

        Args:
            found: the diagnosis.
            source: name of the predictions, for the report.
            warnings: warnings about the predictions.

        Raises:
            OSError: a file cannot be written. If it is the report, the fix is kept.
        """
        try:
            self._print_finding(found, warnings)
        finally:  # also where nobody reads on (`| head`), and before the report: a full disk loses only that
            found.fix.save(self.fix)
        self._say_path("fix", self.fix)
        report, failure = None, None
        try:
            report = self._write_report(found, source, warnings)
        except OSError as error:
            failure = error
        if self.as_json:
            say(diagnosis_json(found, warnings, {"fix": self.fix, "report": report}))
        elif not self.quiet:
            print_next_steps(found, self.fix)
        if failure is not None:
            raise OSError(f"The report could not be written; {self.fix} is complete. {failure}") from failure

    def _print_finding(self, found: Diagnosis, warnings: Sequence[str]) -> None:
        if self.as_json:
            return
        if not self.quiet:
            print_diagnosis(found, warnings)
            return
        for warning in warnings:
            say(f"warning: {warning}", error=True)
        say(found.summary)

    def _write_report(self, found: Diagnosis, source: str, warnings: Sequence[str]) -> Path | None:
        if self.report is None:
            return None
        try:
            from longtail.reports import fix_page
        except ModuleNotFoundError as error:
            say(f"no report: {error}", error=True)
            return None
        fix_page(found, source, file=self.fix, warnings=warnings).save(self.report)
        self._say_path("report", self.report)
        return self.report

    def _say_path(self, name: str, path: Path) -> None:
        if not self.as_json:
            say(f"{name}: {path}")
