"""Do what the tutorials say, and put the pictures and the printed text that come of it into them.

`make tutorials` does all of them, `make tutorials ARGS=ligand` one. Each works in a folder of its
own under `build/tutorials`. A run that has ended there is not done again, as ever; `make clean`
takes them all away.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = ROOT / "docs" / "tutorials"
WORK = ROOT / "build" / "tutorials"


def renew(page: Path) -> None:
    """Follow a page, then write its pictures and what it says was printed."""
    from told_pages import follow, pictures, with_outputs

    folder = WORK / page.stem
    folder.mkdir(parents=True, exist_ok=True)
    text = page.read_text(encoding="utf-8")
    printed = []
    for block, output in follow(text, folder):
        print(block.text, output, sep="", flush=True)
        printed.append((block, output))
    for picture in pictures(text):
        (page.parent / picture.link).parent.mkdir(exist_ok=True)
        shutil.copyfile(folder / picture.made, page.parent / picture.link)
    page.write_text(with_outputs(text, printed), encoding="utf-8")


def main(names: list[str]) -> None:
    """Renew the pages of these names, or all."""
    for page in [PAGES / f"{name}.md" for name in names] or sorted(PAGES.glob("*.md")):
        if page.name != "README.md":
            renew(page)


if __name__ == "__main__":
    main(sys.argv[1:])
