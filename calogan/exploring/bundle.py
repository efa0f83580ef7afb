"""The page's files to one HTML file: style and scripts in it, modules joined in their order."""

from __future__ import annotations

import re
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from calogan.version import __version__

PAGE = files("calogan.exploring") / "page"
_IMPORT = re.compile(r'^import (\{[^}]*\}) from "\./(\w+)\.js";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export ((?:async )?(?:function|class|const) (\w+))", re.MULTILINE)


def render(title: str, data: str) -> str:
    """The whole page; `data` is the text of its block of data, base64."""
    environment = Environment(
        loader=PackageLoader("calogan.exploring", "page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.j2").render(
        title=title,
        version=__version__,
        style=Markup((PAGE / "page.css").read_text(encoding="utf-8")),
        script=Markup(script("main")),
        data=Markup(data),
    )


def script(main: str) -> str:
    """A module and all that it imports as one: a page opened from disk may not load modules.

    Each imported module becomes a function of its own, called once, that returns what it exports;
    it stands after those that it imports itself. In the files, imports are written as
    `import { a, b } from "./file.js";`, exports as `export function`, `class` or `const`.
    """
    done: dict[str, str] = {}

    def without_imports(name: str) -> str:
        text = (PAGE / f"{name}.js").read_text(encoding="utf-8")
        for _, imported in _IMPORT.findall(text):
            if imported not in done:
                done[imported] = as_function(imported)
        return _IMPORT.sub(r"const \1 = \2Module;\n", text)

    def as_function(name: str) -> str:
        text = without_imports(name)
        exported = ", ".join(found for _, found in _EXPORT.findall(text))
        body = _EXPORT.sub(r"\1", text)
        return f"const {name}Module = (() => {{\n{body}return {{ {exported} }};\n}})();\n"

    last = without_imports(main)
    return "\n".join([*done.values(), last])
