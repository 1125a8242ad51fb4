"""Derives google_provider_schema.json: the arguments of those resources of the Google provider that the folder uses.

    pip download --no-deps -d FOLDER cdktf-cdktf-provider-google==16.12.1
    python -m tests.deploy.provider_schema FOLDER/cdktf_cdktf_provider_google-16.12.1-py3-none-any.whl

The package (for version 6.50 of the provider) is read as text and is no dependency. Run it again for a new resource.
"""

from __future__ import annotations

import ast
import json
import re
import sys
import zipfile
from collections.abc import Set
from pathlib import Path
from typing import Any

from .terraform_files import read_folder

SCHEMA = Path(__file__).with_name("google_provider_schema.json")
_PACKAGE = "cdktf_cdktf_provider_google"
# Terraform's own, the same for every resource.
_META = {"connection", "count", "depends_on", "for_each", "lifecycle", "provider", "provisioners"}
_CLASS = re.compile(r"""["']([A-Z]\w+)["']""")


def main(wheel: Path) -> None:
    """Write the schema of what deploy/terraform uses."""
    used = read_folder().resource_types()
    with zipfile.ZipFile(wheel) as archive:
        schema = {name: _resource(archive, name) for name in sorted(used)}
    lines = (f"{json.dumps(name)}: {json.dumps(described, sort_keys=True)}" for name, described in schema.items())
    SCHEMA.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def _resource(archive: zipfile.ZipFile, name: str) -> dict[str, Any]:
    module = name.removeprefix("data.").removeprefix("google_")
    module = f"data_google_{module}" if name.startswith("data.") else module
    tree = ast.parse(archive.read(f"{_PACKAGE}/{module}/__init__.py"))
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    resource = next(node for node in classes.values() if _is_resource(node))
    exports = sorted(
        each.name
        for each in resource.body
        if isinstance(each, ast.FunctionDef) and "builtins.property" in map(ast.unparse, each.decorator_list)
    )
    return {
        "arguments": _arguments(resource, classes, _META),
        "exports": [each for each in exports if not each.endswith("_input")],
    }


def _is_resource(node: ast.ClassDef) -> bool:
    return any(ast.unparse(base).endswith((".TerraformResource", ".TerraformDataSource")) for base in node.bases)


def _arguments(
    node: ast.ClassDef, classes: dict[str, ast.ClassDef], left_out: Set[str] = frozenset()
) -> dict[str, Any]:
    """Name to "required", "optional", or for a block [one of these, its arguments]."""
    init = next(each for each in node.body if isinstance(each, ast.FunctionDef) and each.name == "__init__")
    told = dict(re.findall(r":param (\w+): ([^\n]*)", ast.get_docstring(init) or ""))
    found: dict[str, Any] = {}
    for argument, default in zip(init.args.kwonlyargs, init.args.kw_defaults, strict=True):
        if argument.arg in left_out:
            continue
        text = told.get(argument.arg, "")
        named = re.search(r"#(\w+) ", text)
        need = "required" if default is None else "optional"
        inner = [name for name in _CLASS.findall(ast.unparse(argument.annotation or init)) if name in classes]
        block = [need, _arguments(classes[inner[0]], classes)] if inner and re.match(r"\w+ block\.", text) else None
        found[named[1] if named else argument.arg] = block or need
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]))
