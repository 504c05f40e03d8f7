"""Writes the pages of results from the JSON files beside them.

    python results/write_pages.py [PAGE …]            # all pages, or those named: digits, fix, …
    python results/write_pages.py --check [PAGE …]    # writes nothing; names the pages that differ and exits with 1

Two pages have other names: README is the section "Results" of README.md at the top, index is results/README.md.
"""

import argparse
import sys
from importlib import import_module
from pathlib import Path

from pages.readme import with_results_section
from pages.rendering import TEMPLATES, render

RESULTS = Path(__file__).resolve().parent
README = "README"
PAGES = tuple(sorted(path.name.removesuffix(".md.jinja") for path in TEMPLATES.glob("*.md.jinja")))


def file_of(page: str, results: Path = RESULTS) -> Path:
    return {README: results.parent / "README.md", "index": results / "README.md"}.get(page, results / f"{page}.md")


def text_of(page: str, results: Path = RESULTS) -> str:
    """The whole file as it must be."""
    values = import_module(f"pages.{page.lower().replace('-', '_')}").values(results)
    text = render(f"{page}.md.jinja", values)
    return with_results_section(file_of(page, results).read_text(), text) if page == README else text


def write(page: str, text: str) -> None:
    from longtail.whole_file import write_whole  # imports torch, which a check does not need

    with write_whole(file_of(page)) as file:
        file.write(text.encode())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", nargs="*", metavar="PAGE", help=f"of {', '.join(PAGES)}; all without any")
    parser.add_argument("--check", action="store_true", help="write nothing")
    options = parser.parse_args()
    unknown = set(options.pages) - set(PAGES)
    if unknown:
        parser.error(f"PAGE must be one of {', '.join(PAGES)}. Got {', '.join(sorted(unknown))}.")
    try:
        texts = {page: text_of(page) for page in options.pages or PAGES}
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    changed = [page for page, text in texts.items() if not is_current(page, text)]
    for page in changed:
        print(f"{file_of(page).relative_to(RESULTS.parent)} {'differs' if options.check else 'written'}")
        if not options.check:
            write(page, texts[page])
    return int(options.check and bool(changed))


def is_current(page: str, text: str) -> bool:
    path = file_of(page)
    return path.is_file() and path.read_text() == text


if __name__ == "__main__":
    sys.exit(main())
