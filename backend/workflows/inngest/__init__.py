"""After the commit: the functions that Inngest runs for us. A module here is registered by being there."""

from collections.abc import Callable, Sequence
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, NamedTuple, TypeVar

H = TypeVar("H", bound=Callable[..., object])


class Workflow(NamedTuple):
    """`options`: of inngest.Inngest.create_function()."""

    run: Callable[..., object]
    options: dict[str, Any]


_found: dict[str, Workflow] = {}


def workflow(**options: Any) -> Callable[[H], H]:  # noqa: ANN401 - those of the SDK, each of its own type
    """Let Inngest run a function, which takes inngest.ContextSync. `options`: of inngest.Inngest.create_function().

    Its id is its name, with hyphens. Inngest keeps what the function and its steps return, and the text of
    NonRetriableError and RetryAfterError: ids and states, nothing personal. Of any other error it learns the type only.
    """

    def register(run: H) -> H:
        options.setdefault("fn_id", run.__name__.replace("_", "-"))
        _found[options["fn_id"]] = Workflow(run, options)
        return run

    return register


def find_workflows() -> Sequence[Workflow]:
    """Those of all modules in this folder."""
    for module in iter_modules(__path__):
        import_module(f"{__name__}.{module.name}")
    return [*_found.values()]
