"""Self-contained pages of HTML, of one look, light and dark."""

from __future__ import annotations

from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined


def page(template: str, package: str = "calogan.evaluation", **values: Any) -> str:
    """The text of a page, from a template in the `templates` folder of a package.

    It begins with `{% extends "base.html.j2" %}`, which stands beside the report's.
    """
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package), PackageLoader("calogan.evaluation")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(**values)
