"""Slow float64 versions, written straight from the papers, one sample and one class at a time."""
