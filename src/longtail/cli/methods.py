"""`longtail methods`."""

from typing import TYPE_CHECKING, Annotated, Any

import tyro

if TYPE_CHECKING:
    from longtail.recipes import Method


SHOWN_AS = tyro.conf.arg(metavar="[NAMES]", help_behavior_hint="(default: all methods, without them)")


def methods(names: Annotated[tuple[str, ...], tyro.conf.Positional, SHOWN_AS] = ()) -> None:
    """List the methods that can be compared: what each changes in a recipe, and where it comes from.

    Args:
        names: Some of them, to see the arguments of their losses too.
    """
    from rich.table import Table

    from longtail.cli.console import PlainConsole
    from longtail.recipes.methods import METHODS, names_of

    shown = names_of(",".join(name.rstrip(",") for name in names)) if names else list(METHODS)
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("method", "changes", "source"):
        table.add_column(column, no_wrap=column == "method")
    for name in shown:
        changes = _changes(name, METHODS[name])
        table.add_row(name, ", ".join(f"{key} {_words(value)}" for key, value in changes.items()), METHODS[name].source)
    console = PlainConsole()
    console.print(table)
    for name in shown if names else ():
        whose = "its loss" if len(shown) == 1 else f"the loss of {name}"
        for line in _arguments_of_the_loss(name, METHODS[name], whose):
            console.print(line)


def _changes(name: str, method: "Method") -> dict[str, Any]:
    """The settings that the method changes in a recipe; of a second stage, those of the stage."""
    from longtail.recipes.second_stages import SECOND_STAGES

    if method.first_stage is not None:
        return {"second stage of": method.first_stage, **SECOND_STAGES[name].settings}
    return {**method.settings, **({"reweight_from": "after 80 % of the epochs"} if method.deferred else {})}


def _arguments_of_the_loss(name: str, method: "Method", whose: str) -> list[str]:
    """Lines that list the arguments of the loss; none if nothing is trained, so that no loss is used."""
    from longtail.losses.catalogue import paper_settings, parse_arguments, settable_arguments
    from longtail.recipes.second_stages import SECOND_STAGES

    second = SECOND_STAGES[name].settings if name in SECOND_STAGES else {}
    if second.get("epochs") == 0:
        return []
    loss = second.get("loss", method.settings["loss"])
    known = settable_arguments(loss) | paper_settings(loss) | parse_arguments(second.get("loss_arguments", ()))
    return [f"arguments of {whose}, {loss}:", *(f"  {key} = {value}" for key, value in known.items())]


def _words(value: object) -> str:
    """A setting as it would be typed: the parts of a tuple separated by spaces."""
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
