"""The README is true: its doctests run, and the output it shows is what the main job prints."""

from __future__ import annotations

import doctest
import re

import pytest

from tco.cli import main


def blocks(text: str, marker: str, language: str) -> list[str]:
    return re.findall(rf"<!-- {marker} -->\n```{language}\n(.*?)```", text, flags=re.DOTALL)


def test_the_python_in_the_readme_does_what_it_says(root):
    text = (root / "README.md").read_text(encoding="utf-8")
    examples = "\n".join(blocks(text, "doctest", "python"))
    assert examples.count(">>>") > 20
    test = doctest.DocTestParser().get_doctest(examples, {}, "README", "README.md", 0)
    result = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(test)
    assert result.failed == 0
    import matplotlib.pyplot as plt

    plt.close("all")


def test_the_output_in_the_readme_is_what_the_main_job_prints(root, tmp_path, monkeypatch, capsys):
    # regression: the shown lines open the real output, so a number that moves is seen here.
    monkeypatch.chdir(tmp_path)
    text = (root / "README.md").read_text(encoding="utf-8")
    shown = re.search(r"```text\n(.*?)```", text, flags=re.DOTALL)
    assert shown is not None
    assert main(["compare", "gaudi-2", "h100-sxm", "--llm", "llama-3.1-8b"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(shown[1].removesuffix("...\n"))
    assert (tmp_path / "tco-gaudi-2-vs-h100-sxm.png").stat().st_size > 10_000


def test_the_catalogues_are_as_large_as_it_says(root):
    # sibling: the counts in README and changelog against the catalogues.
    import hardware_specs as hs
    import roofline as rl

    for page in ("README.md", "CHANGELOG.md"):
        text = (root / page).read_text(encoding="utf-8")
        assert re.findall(r"(\d+) language models", text) == [str(len(rl.llm_names()))]
        assert re.findall(r"(\d+) accelerators", text)[:1] == [str(len(hs.names()))]


@pytest.mark.parametrize("marker", ["run", "test"])
def test_the_two_commands_are_there_for_ci_to_run(root, marker):
    (command,) = blocks((root / "README.md").read_text(encoding="utf-8"), marker, "bash")
    assert command.startswith("python3 -m venv .venv && .venv/bin/pip install")
    assert command.count("\n") == 1


def test_the_chips_file_in_the_readme_loads(root, tmp_path):
    import hardware_specs as hs

    text = (root / "README.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"```toml\n(# my_chips.*?)```", text, flags=re.DOTALL)
    (tmp_path / "my_chips.toml").write_text(shown, encoding="utf-8")
    chip = hs.load(tmp_path / "my_chips.toml")["my-chip"]
    assert chip.peak_flops("fp8") == 2.4e15
    assert chip.memory_bytes == 128 * 2**30
