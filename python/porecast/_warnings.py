"""Warnings about what a user passes."""

import sys
import warnings
from collections.abc import Iterable


def warn(texts: Iterable[str]) -> None:
    """Warn about the line that called this package."""
    frame, level = sys._getframe(), 1
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == __package__:
        frame, level = frame.f_back, level + 1
    for text in texts:
        warnings.warn(text, UserWarning, stacklevel=level)
