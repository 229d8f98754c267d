"""The notebooks run from top to bottom, in small, each in a kernel of its own; they are kept without outputs."""

from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def executed(name: str, **values) -> nbformat.NotebookNode:
    """The notebook with other values for its parameters, run in the repository."""
    client = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    notebook = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
    place = next(i for i, cell in enumerate(notebook.cells) if "parameters" in cell.metadata.get("tags", ()))
    named = {name for line in notebook.cells[place].source.splitlines() for name in line.split(" = ")[0].split(", ")}
    assert values.keys() <= named
    given = "\n".join(f"{key} = {value!r}" for key, value in values.items())
    notebook.cells.insert(place + 1, nbformat.v4.new_code_cell(given))
    resources = {"metadata": {"path": str(ROOT / "notebooks")}}
    return client.NotebookClient(notebook, timeout=300, resources=resources).execute()


def shown(notebook: nbformat.NotebookNode, kind: str) -> list[str]:
    """Outputs of one MIME type, printed text included under text/plain."""
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    printed = [output["text"] for output in outputs if output.output_type == "stream" and output.name == "stdout"]
    return [output["data"][kind] for output in outputs if kind in output.get("data", {})] + printed * (
        kind == "text/plain"
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Kernels find the package where the tests find it, and no data set of the machine's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.delenv("DATA_DIR", raising=False)
        yield tmp_path_factory.mktemp("notebook")


@pytest.fixture(scope="module")
def trained(folder):
    sizes = {"TRAINING_IMAGES": 6, "TEST_IMAGES": 4, "SIDE": 64, "FEATURE_ITERATIONS": 2, "HEAD_ITERATIONS": 10}
    return executed("train_head", **sizes, FOLDER=str(folder))


def test_the_head_is_trained_on_cached_features_and_compared(trained, folder):
    assert (folder / "head" / "model_final.pth").is_file() and any((folder / "cache").iterdir())
    table = shown(trained, "text/plain")
    assert any("FREQ" in text and "after the head" in text for text in table)
    assert len(shown(trained, "image/png")) == 2


@pytest.mark.usefixtures("trained")
def test_what_it_leaves_predicts(folder):
    checkpoint, data = str(folder / "head" / "model_final.pth"), str(folder / "data")
    notebook = executed("predict", CHECKPOINT=checkpoint, DATA=data, IMAGES=2)
    assert len(shown(notebook, "image/png")) == 2
    assert any("'schema_version': 1" in text or '"schema_version": 1' in text for text in shown(notebook, "text/plain"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_notebooks_are_kept_without_outputs(path):
    for cell in nbformat.read(path, as_version=4).cells:
        assert cell.cell_type != "code" or (not cell.outputs and cell.execution_count is None)
