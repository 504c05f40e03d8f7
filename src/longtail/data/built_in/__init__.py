"""Data sets that need no form of the user's: CIFAR, digits and plankton, made long-tailed or naturally so."""
