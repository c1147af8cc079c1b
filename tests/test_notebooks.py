"""Every notebook of the gallery runs in a clean kernel, ends in an assertion, and is stored without outputs."""

import ast
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat", reason="needs the extra `notebooks`")

FOLDER = Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
SECONDS_PER_CELL = 60

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def _code_cells(path):
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


def test_gallery_is_there():
    """Property: an empty folder would skip every test below."""
    assert NOTEBOOKS


@each_notebook
def test_stored_clean_and_valid(path):
    """Property: format 4, a python3 kernel, no output, no execution count, no folder of a person's machine."""
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert notebook.nbformat == 4
    assert notebook.metadata.kernelspec.name == "python3"
    for cell in _code_cells(path):
        assert cell.outputs == []
        assert cell.execution_count is None
    assert str(Path.home()) not in path.read_text(encoding="utf-8")


@each_notebook
def test_teaches_before_it_computes(path):
    """Property: opens with a title, and no code cell stands without prose in the three cells before it."""
    cells = nbformat.read(path, as_version=4).cells
    assert cells[0].cell_type == "markdown"
    assert cells[0].source.startswith("# ")
    for index, cell in enumerate(cells):
        if cell.cell_type == "code":
            assert "markdown" in {before.cell_type for before in cells[max(index - 3, 0) : index]}


@each_notebook
def test_ends_in_an_assertion(path):
    """Property: the last code cell asserts."""
    last = ast.parse(_code_cells(path)[-1].source)
    assert any(isinstance(node, ast.Assert) for node in ast.walk(last))


@each_notebook
@pytest.mark.filterwarnings("default")  # kernels' plumbing warns; in the kernel itself warnings are errors
def test_runs_in_a_clean_kernel(path, tmp_path, monkeypatch):
    """Property: top to bottom without an error or a warning, from a folder that holds nothing."""
    nbclient = pytest.importorskip("nbclient", reason="needs the extra `notebooks`")
    pytest.importorskip("ipykernel", reason="needs the extra `notebooks`")
    monkeypatch.setenv("PYTHONPATH", str(FOLDER.parent))
    monkeypatch.delenv("MPLBACKEND", raising=False)  # the kernel then draws every figure, as for a reader
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    notebook = nbformat.read(path, as_version=4)
    strict = nbformat.v4.new_code_cell("import warnings\nwarnings.simplefilter('error')")
    notebook.cells.insert(0, strict)
    client = nbclient.NotebookClient(
        notebook,
        timeout=SECONDS_PER_CELL,
        kernel_name="python3",
        resources={"metadata": {"path": str(tmp_path)}},
    )
    client.execute()
    stderr = [
        output.text
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if output.output_type == "stream" and output.name == "stderr"
    ]
    assert stderr == []
