"""Imports go downwards only, as docs/architecture.md says: between packages, and between those of `data`."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "src"
ORDERS = {
    "longtail": (
        "cli", "auto", "reports", "doctor", "estimators", "export", "integrations", "recipes", "repair", "analysis",
        "training", "samplers", "models", "data", "runs", "losses", "posthoc", "metrics", "transforms",
    ),
    "longtail.data": ("large_sets", "built_in", "tar", "tables", "shards", "images", "features"),
}  # fmt: skip


def imported(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("parent", ORDERS)
def test_a_package_imports_later_ones_alone(parent):
    order, folder = ORDERS[parent], ROOT / parent.replace(".", "/")
    assert {package.parent.name for package in folder.glob("*/__init__.py")} == set(order)
    wrong = [
        f"{file.relative_to(folder)}: {name}"
        for index, package in enumerate(order)
        for file in (folder / package).rglob("*.py")
        for name in imported(file)
        if any(f"{name}.".startswith(f"{parent}.{earlier}.") for earlier in order[:index])
    ]
    assert not wrong
