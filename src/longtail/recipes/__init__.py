"""Full configurations, as the field runs them.

>>> from longtail.recipes import cifar100_lt
>>> cifar100_lt(imbalance=50, seed=1).batch_size
64
"""

from longtail.recipes.cifar_lt import cifar10_lt, cifar100_lt
from longtail.recipes.methods import METHODS, Method, with_method

__all__ = ["METHODS", "Method", "cifar10_lt", "cifar100_lt", "with_method"]
