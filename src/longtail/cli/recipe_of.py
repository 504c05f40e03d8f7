"""The recipe that a configuration was made from."""

from longtail.recipes import RECIPES
from longtail.training.config import TrainingConfig


def recipe_of(config: TrainingConfig) -> tuple[str, TrainingConfig]:
    """Name and configuration of the recipe for the data set and the stage of a configuration."""
    made = {name: recipe() for name, recipe in RECIPES.items()}
    same = {name: recipe for name, recipe in made.items() if recipe.dataset == config.dataset}
    of_the_stage = [(name, recipe) for name, recipe in same.items() if recipe.stage == config.stage]
    return (of_the_stage or list(same.items()))[0]
