"""The house: a folder imports only from those above it, and no import goes round in a circle."""

import ast
from collections import defaultdict
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = "maskrcnn_benchmark"
ROOT = Path(__file__).resolve().parents[1]
# Each imports from itself and from those before it.
FOLDERS = (
    "utils", "config", "layers", "structures", "data", "modeling", "evaluation", "visualization", "solver", "engine",
    "commands", "__main__",
)  # fmt: skip
# The same inside modeling; registry is the address at which others find all registries.
MODELING = ("backbone", "rpn", "roi_heads", "detector", "registry")
RELATION_HEAD = ("context", "prototypes", "predictors", "regions", "relation_head")

# Imports inside functions, which hide from the reader of a file's head, and why they are there. Those of commands/ are
# free: `--help` must not wait for torch.
LATE = {
    ("", "engine.prediction"): "importing the package stays cheap",
    ("engine.cli", "data.build"): "a fault of the config is named before torch is there",
    ("engine.cli", "data.datasets.catalog"): "a fault of the config is named before torch is there",
    ("engine.export.write", "engine.export.onnx_ops"): "ONNX is an extra",
}


def module_name(path: Path) -> str:
    """Name inside the package: 'data.meta'; '' is the package's own __init__."""
    parts = path.relative_to(ROOT / PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def sources() -> dict[str, ast.Module]:
    return {module_name(p): ast.parse(p.read_text(encoding="utf-8")) for p in (ROOT / PACKAGE).rglob("*.py")}


def imported(statement: ast.stmt) -> set[str]:
    """The package's own modules that an import statement names."""
    names = [alias.name for alias in statement.names]
    if isinstance(statement, ast.ImportFrom):
        assert not statement.level, f"relative import in line {statement.lineno}"
        whole = [f"{statement.module}.{name}" for name in names]
        names = [name if name.removeprefix(f"{PACKAGE}.") in sources() else statement.module for name in whole]
    own = {name.removeprefix(PACKAGE).removeprefix(".") for name in names if name.split(".")[0] == PACKAGE}
    unknown = own - set(sources())
    assert not unknown, f"no such module: {unknown}"
    return own


@cache
def imports(module: str, *, late: bool) -> set[str]:
    """What a module imports at its head, or inside its functions; not what only a type checker reads."""
    found: set[str] = set()

    def visit(node: ast.AST, inside: bool) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import | ast.ImportFrom):
                found.update(imported(child) if inside == late else ())
            elif not (isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)):
                visit(child, inside or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda))

    visit(sources()[module], False)
    return found


def packages_of(module: str) -> set[str]:
    """The packages that Python runs before a module."""
    parts = module.split(".")
    return {".".join(parts[:i]) for i in range(1, len(parts))}


@cache
def graph() -> dict[str, set[str]]:
    """Module -> what has to be there before it, the packages around what it imports included."""
    needed = defaultdict(set)
    for module in sources():
        for other in imports(module, late=False):
            around = packages_of(other) - packages_of(module) - {module}
            needed[module] |= {name for name in around if not module.startswith(f"{name}.")} | {other}
    return needed


def edges() -> list[tuple[str, str]]:
    return sorted((a, b) for a in sources() for late in (False, True) for b in imports(a, late=late))


def test_no_import_goes_round_in_a_circle():
    try:
        TopologicalSorter(graph()).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_a_circle_would_be_found(monkeypatch):
    monkeypatch.setitem(graph(), "utils.errors", {"engine.trainer"})
    with pytest.raises(CycleError):
        TopologicalSorter(graph()).prepare()


def reaching_down(pairs, order):
    """Those of (from, to), names of one level, that go against an order; names outside it are free."""
    place = {name: i for i, name in enumerate(order)}
    return [(a, b) for a, b in pairs if a in place and b in place and place[b] > place[a]]


def test_every_folder_has_its_place():
    assert {module.split(".")[0] for module in sources() if module} == set(FOLDERS)


def test_a_folder_imports_only_from_those_above_it():
    assert not [pair for pair in edges() if reaching_down([tuple(name.split(".")[0] for name in pair)], FOLDERS)]


@pytest.mark.parametrize("inside, order", [("modeling", MODELING), ("modeling.roi_heads.relation_head", RELATION_HEAD)])
def test_the_networks_build_on_one_another_in_one_direction(inside, order):
    below = [pair for pair in edges() if all(name.startswith(f"{inside}.") for name in pair)]
    rooms = [tuple(name.removeprefix(f"{inside}.").split(".")[0] for name in pair) for pair in below]
    assert below and not reaching_down(rooms, order)


def test_the_package_itself_asks_each_registry_where_it_lives():
    assert not [a for a, b in edges() if b == "modeling.registry"]


def test_imports_inside_functions_are_few_and_known():
    inside = {(a, b) for a in sources() for b in imports(a, late=True) if not a.startswith("commands.")}
    assert inside == set(LATE)


def test_no_predictor_is_known_by_name_beyond_its_folder():
    """Nor by its keys: solver, extractors and engine read what RelationPredictor says of itself."""
    names = {
        node.args[0].value
        for module, tree in sources().items()
        if module.startswith("modeling.roi_heads.relation_head.predictors.")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "ROI_RELATION_PREDICTOR.register"
    }
    assert len(names) >= 6
    elsewhere = [
        (module, node.value)
        for module, tree in sources().items()
        # The configuration has a default, and the ablation compares models by their names.
        if not module.startswith(("modeling.roi_heads.relation_head.predictors", "config", "engine.ablation"))
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and node.value in names
    ]
    assert not elsewhere
