"""`longtail methods`."""

from typing import Annotated

import tyro
from rich.table import Table

from longtail.cli.console import PlainConsole


def methods(name: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="[NAME]")] = None) -> None:
    """List the methods that can be compared: what each changes in a recipe, and where it comes from.

    Args:
        name: One of them, to see the arguments of its loss too.
    """
    from longtail.arguments import check_choice
    from longtail.losses.catalogue import paper_settings, parse_arguments, settable_arguments
    from longtail.recipes.methods import METHODS, add_loss
    from longtail.recipes.second_stages import SECOND_STAGES

    if name is not None:
        add_loss(name)
        check_choice("name", name, list(METHODS))
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("method", "changes", "source"):
        table.add_column(column, no_wrap=column == "method")
    for known, method in METHODS.items():
        if name in (None, known):
            changes = {**method.settings, **({"reweight_from": "after 80 % of the epochs"} if method.deferred else {})}
            if method.first_stage is not None:
                changes = {"second stage of": method.first_stage, **SECOND_STAGES[known].settings}
            table.add_row(known, ", ".join(f"{key} {_words(value)}" for key, value in changes.items()), method.source)
    console = PlainConsole()
    console.print(table)
    if name is not None:
        second = SECOND_STAGES[name].settings if name in SECOND_STAGES else {}
        if second.get("epochs") == 0:  # nothing is trained, so no loss is used
            return
        loss = second.get("loss", METHODS[name].settings["loss"])
        own = parse_arguments(second.get("loss_arguments", ()))
        console.print(f"arguments of its loss, {loss}:")
        for key, value in (settable_arguments(loss) | paper_settings(loss) | own).items():
            console.print(f"  {key} = {value}")


def _words(value: object) -> str:
    """A setting as it would be typed: the parts of a tuple separated by spaces."""
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
