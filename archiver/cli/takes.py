"""Options that come in groups: written once, taken by each verb that needs the group.

``takes(GROUP)`` gives a command the group's options as keyword arguments behind its own, as if they
stood in its signature, which is all that typer looks at.
"""

import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, cast

Group = Mapping[str, Any]
"""Options by the name of their argument, each an annotation as typer wants it; None by default."""

Given = Mapping[str, Any]
"""What a person gave for the options of a group; None for those that they left out."""


def takes(*groups: Group) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Adds groups of options to a command whose last parameter is ``**given``."""
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind)
        for group in groups
        for name, kind in group.items()
    ]

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(command, eval_str=True)
        *kept, _given = own.parameters.values()
        parameters = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in kept] + added
        taking: Any = wraps(command)(lambda **named: command(**named))
        taking.__signature__ = own.replace(parameters=parameters)
        taking.__annotations__ = {one.name: one.annotation for one in parameters}
        return cast("Callable[..., None]", taking)

    return decorate
