"""The tutorials: what they show is valid, their pictures are made by them, and they run."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from places import CONFIGS, ROOT
from told_pages import PageError, Picture, blocks, follow, makes, pictures, with_outputs

from msgen.orchestrator.cli import main, parser

FOLDER = ROOT / "docs" / "tutorials"
PAGES = sorted(p for p in FOLDER.glob("*.md") if p.name != "README.md")
CAMPAIGNS = {
    block.text: block.file
    for page in PAGES
    for block in blocks(page.read_text(encoding="utf-8"))
    if block.language == "yaml" and block.file
}
"""Every one that a page writes, once."""
PLAIN = {"cat", "cp", "head", "mkdir"}
"""Commands beside our own that a reader is trusted to know."""


def names(pages: list[Path]) -> list[str]:
    return [p.stem for p in pages]


def wrong(page: str, folder: Path) -> list[str]:
    """What of a page's commands and pictures does not hold."""
    said = []
    for block in blocks(page):
        if block.language in ("yaml", "python") or block.commands:
            said += [f"not understood: {c}" for c in block.commands if not understood(c)]
    made = makes(page)
    for picture in pictures(page):
        if not (folder / picture.link).is_file():
            said.append(f"no picture {picture.link}")
        if picture.made not in made:
            said.append(f"no command makes {picture.made!r}")
        if not picture.about:
            said.append(f"nothing said about {picture.link}")
    return said


def understood(command: str) -> bool:
    words = shlex.split(command, comments=True)
    if words[0] not in ("msgen", "msgen-run"):
        return words[0] in PLAIN
    try:
        parser().parse_args(["run", *words[1:]] if words[0] == "msgen-run" else words[1:])
    except SystemExit:
        return False
    return True


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_commands_are_understood_and_make_the_pictures(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert not wrong(text, FOLDER)
    assert pictures(text)
    assert "```text\n…\n" not in text  # what is printed has been put in


def test_a_page_that_is_wrong_is_seen() -> None:
    text = "\n".join([
        "```bash", "msgen-run arm.yaml --bugdet 3", "rm -rf *", "```",
        '![a](figures/none.png "runs/arm/results/free_energy.png")',
        '![](figures/none.png "runs/other/results/free_energy.png")', "",
    ])  # fmt: skip
    assert wrong(text, FOLDER) == [
        "not understood: msgen-run arm.yaml --bugdet 3", "not understood: rm -rf *",
        "no picture figures/none.png", "no picture figures/none.png",
        "no command makes 'runs/other/results/free_energy.png'",
        "nothing said about figures/none.png",
    ]  # fmt: skip


@pytest.mark.parametrize("text", CAMPAIGNS, ids=list(CAMPAIGNS.values()))
def test_campaigns_shown_are_valid(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / CAMPAIGNS[text]
    file.write_text(text, encoding="utf-8")
    for given in [*(FOLDER / "files").iterdir(), CONFIGS / "alanine_dipeptide.pdb"]:
        shutil.copy(given, tmp_path)
    assert main(["validate", str(file), "--output-dir", str(tmp_path)]) == 0, capsys.readouterr()
    assert "is ready to run" in capsys.readouterr().out


def test_what_lies_in_the_folders_is_used_and_told() -> None:
    pages = {p: p.read_text(encoding="utf-8") for p in [*PAGES, FOLDER / "README.md"]}
    linked = {picture.link for text in pages.values() for picture in pictures(text)}
    assert linked == {f"figures/{p.name}" for p in (FOLDER / "figures").iterdir()}
    told = (FOLDER / "files" / "README.md").read_text(encoding="utf-8")
    for file in (FOLDER / "files").iterdir():
        if file.suffix != ".md":
            assert f"`{file.name}`" in told
            assert any(f"/files/{file.name}" in text for text in pages.values())
    for page in PAGES:
        assert f"({page.name})" in pages[FOLDER / "README.md"]
    for other in ("README.md", "docs/systems.md"):
        assert "tutorials/README.md" in (ROOT / other).read_text(encoding="utf-8")


def test_a_page_is_followed_line_by_line(tmp_path: Path) -> None:
    """Files are written, each command has the folder, and what is printed goes into the page."""
    text = "\n".join([
        "```yaml", "# a.yaml", "x: 1", "```", "```bash", "mkdir b", "cp a.yaml b/", "cat b/a.yaml",
        "```", "```text", "…", "```", "```python", "import os", "print(sorted(os.listdir()))",
        "```", "and", "```text", "…", "```", "![a](figures/a.png)", "",
    ])  # fmt: skip
    printed = list(follow(text, tmp_path))
    new = with_outputs(text, printed)
    assert [b.text for b in blocks(new) if b.language == "text"] == [
        "# a.yaml\nx: 1\n", "['a.yaml', 'b']\n",
    ]  # fmt: skip
    assert with_outputs(new, list(follow(new, _fresh(tmp_path / "c")))) == new
    assert pictures(new) == [Picture("a", "figures/a.png", "")]
    broken = text.replace("mkdir b\n", "")
    with pytest.raises(PageError, match="exit status 1"):
        list(follow(broken, _fresh(tmp_path / "d")))


def _fresh(folder: Path) -> Path:
    folder.mkdir()
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_a_page_does_what_it_says(page: Path, tmp_path: Path) -> None:
    text = page.read_text(encoding="utf-8")
    printed = list(follow(text, tmp_path))
    told = [b.text for b in blocks(with_outputs(text, printed)) if b.language == "text"]
    shown = [b.text for b in blocks(text) if b.language == "text"]
    assert [bool(t.strip()) for t in told] == [True] * len(shown)
    for picture in pictures(text):
        assert (tmp_path / picture.made).read_bytes().startswith(b"\x89PNG")


def test_make_tutorials_is_there() -> None:
    done = subprocess.run(
        ["make", "-n", "tutorials", "ARGS=ligand"], cwd=ROOT, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert "tests/tutorials.py ligand" in done.stdout
