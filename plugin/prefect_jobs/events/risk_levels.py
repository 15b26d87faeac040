"""Risk levels, and which score belongs to which."""

LEVELS = (("low", 0), ("medium", 30), ("high", 60), ("critical", 85))
"""Risk levels and the lowest score of each."""


def level_of(score: int) -> str:
    """The risk level that a score (0 to 100) belongs to."""
    return next(level for level, lowest in reversed(LEVELS) if score >= lowest)
