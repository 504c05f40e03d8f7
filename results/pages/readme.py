"""The numbers of README.md, whose section "Results" is written from a template."""

import re


def with_results_section(readme: str, section: str) -> str:
    """README.md with its section "Results" replaced."""
    before, heading, rest = readme.partition("\n## Results\n")
    after = re.search(r"\n## (?!Results)", rest)
    if not heading or after is None:
        raise ValueError("README.md must have a section “## Results” that is followed by another section.")
    return f"{before}\n{section}{rest[after.start() :]}"
