"""Import rules that lint-imports cannot check: no cycles, and no third-party packages in Lambda functions."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import grimp

_REPOSITORY = Path(__file__).parents[2]
_PACKAGES = ("tools", "benchmarks", "pubsub_testing", "stacks", "pubsub_cli", "local_cloud", "pubsub_client")
_LAMBDAS = _REPOSITORY / "lambdas"


def _modules_imported_by(file: Path) -> Iterator[str]:
    """Yield the absolute imports of a file, those under TYPE_CHECKING too."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_packages_have_no_import_cycles() -> None:
    graph = grimp.build_graph(*_PACKAGES, cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    TopologicalSorter(imports).prepare()  # raises CycleError with the modules of a cycle


def test_lambdas_have_no_import_cycles() -> None:
    files = {".".join(file.relative_to(_LAMBDAS).with_suffix("").parts): file for file in _LAMBDAS.rglob("*.py")}
    imports = {name.removesuffix(".__init__"): set(_modules_imported_by(file)) for name, file in files.items()}
    TopologicalSorter(imports).prepare()


def test_lambdas_import_only_the_standard_library_and_the_sdk() -> None:
    own = {entry.stem for entry in _LAMBDAS.iterdir()}
    allowed = sys.stdlib_module_names | own | {"boto3", "botocore", "urllib3"}  # the SDK needs urllib3
    found = {
        (file.name, module)
        for file in _LAMBDAS.rglob("*.py")
        for module in _modules_imported_by(file)
        if module.partition(".")[0] not in allowed and not module.startswith("types_boto3_")
    }
    assert not found
