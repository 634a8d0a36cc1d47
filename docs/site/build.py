"""Makes the site: README, all pages, the tutorial, and the reference from the docstrings.

`python docs/site/build.py TARGET` writes HTML to TARGET. A link that leads nowhere, in a page or a
docstring, and a public name without a place or a docstring, or a field without words, fail it.
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from inspect import getdoc
from operator import attrgetter
from os.path import relpath
from pathlib import Path

from members import silent_members  # beside this file, as are the next two
from reference import ERRORS, INTRODUCTION, PAGES, Page
from tutorial_page import notebook_page

import pfslib
from pfslib.interop import (  # noqa: F401 - named by the reference
    arriving,
    batches,
    filesystem,
    git_export,
    git_history,
    job_board,
    records,
    tar_stream,
    zip_file,
)

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
HOME = "index"  # what README.md becomes
LINK = re.compile(r"(?<=\]\()([^)\s#:]+)(?=[)#])")
FENCE = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)


def named(pattern: str) -> list[str]:
    """Pages of the tree, as Sphinx calls them."""
    return [
        page.relative_to(ROOT).with_suffix("").as_posix() for page in sorted(ROOT.glob(pattern))
    ]


CHAPTERS = {
    "Tutorial": ["tutorial"],
    "How to": [*named("docs/howto/*.md"), "docs/fsspec", "docs/embedding"],
    "Reference": ["docs/reference/index", "docs/cli", "docs/reliability"],
    "Inside": ["docs/architecture", "docs/format", "docs/glossary", "docs/decisions/index"],
    "Examples": named("examples/*/README.md"),
    "Project": ["CHANGELOG"],
}


def main() -> int:
    """Build; the exit code is Sphinx's."""
    target = Path(sys.argv[1]).absolute()
    with tempfile.TemporaryDirectory(prefix="pfslib-docs-") as staged:
        lay_out(Path(staged), run_notebook=True)
        done = run_sphinx(Path(staged), target)
    if not done:
        print(f"look at {relpath(target / 'index.html')}")
    return done


def run_sphinx(staged: Path, target: Path, builder: str = "html") -> int:
    """Build what is laid out; any warning is an error, said on standard error."""
    from sphinx.cmd.build import main as sphinx  # only here: tests look at the rest without it

    options = ["--fail-on-warning", "--keep-going", "--quiet", "--fresh-env", "-b", builder]
    caches = str(staged / ".cache")
    return sphinx([*options, "-c", str(HERE), "-d", caches, str(staged), str(target)])


def lay_out(staged: Path, *, run_notebook: bool = False) -> None:
    """Put what Sphinx reads into a directory: pages where they stand in the tree, and generated."""
    for page in pages():
        place(staged, page).write_text(with_site_links(page), "utf-8")
        for linked in linked_files(page):
            shutil.copyfile(linked, place(staged, linked))
    (staged / "README.md").rename(staged / f"{HOME}.md")
    with (staged / f"{HOME}.md").open("a", encoding="utf-8") as home:
        for title, members in CHAPTERS.items():
            home.write(toctree(members, f":caption: {title}", ":hidden:"))
    (staged / "docs/decisions/index.md").write_text(
        "# Decisions\n\nWhat was weighed, and on what evidence.\n"
        + toctree([Path(page).name for page in named("docs/decisions/*.md")])
    )
    tutorial = notebook_page(ROOT / "docs/tutorial.ipynb", run=run_notebook)
    note = "This page is the notebook `docs/tutorial.ipynb`.\n"
    (staged / "tutorial.md").write_text(f"{tutorial}\n\n{note}", "utf-8")
    write_reference(staged / "docs/reference")


def place(staged: Path, file: Path) -> Path:
    """Where a file of the tree goes; its directory is there then."""
    copy = staged / file.relative_to(ROOT)
    copy.parent.mkdir(parents=True, exist_ok=True)
    return copy


def toctree(members: list[str], *options: str) -> str:
    """The directive that lists pages."""
    return "\n".join(["", "```{toctree}", ":maxdepth: 1", *options, "", *members, "```", ""])


# --- pages that are there --------------------------------------------------------------------


def pages() -> list[Path]:
    """All pages of the tree."""
    patterns = ("README.md", "CHANGELOG.md", "docs/*.md", "docs/*/*.md", "examples/*/README.md")
    return [page for pattern in patterns for page in sorted(ROOT.glob(pattern))]


def with_site_links(page: Path) -> str:
    """A page's text, with links that lead to directories, README.md and the notebook adapted."""

    def adapted(link: re.Match[str]) -> str:
        target = (page.parent / link[1]).resolve()
        if target == ROOT / "README.md":
            target = ROOT / f"{HOME}.md"
        elif target == ROOT / "docs/tutorial.ipynb":
            target = ROOT / "tutorial.md"
        elif target.is_dir():
            target /= "index.md"
        return relpath(target, page.parent)

    parts = FENCE.split(page.read_text("utf-8"))
    parts[::2] = [LINK.sub(adapted, text) for text in parts[::2]]
    return "".join(parts)


def linked_files(page: Path) -> set[Path]:
    """The files of the tree that a page links to, or shows, and that are no pages."""
    found = {(page.parent / link).resolve() for link in LINK.findall(page.read_text("utf-8"))}
    return {path for path in found if path.is_file() and path.suffix not in {".md", ".ipynb"}}


# --- the reference ---------------------------------------------------------------------------


def errors() -> tuple[str, ...]:
    """The public errors, from the root of their tree down."""
    kinds = [
        kind
        for name in pfslib.__all__
        if isinstance(kind := getattr(pfslib, name), type) and issubclass(kind, pfslib.PfsError)
    ]
    return tuple(kind.__name__ for kind in sorted(kinds, key=lambda kind: len(kind.__mro__)))


def reference_pages() -> dict[str, Page]:
    """All pages of the reference; what none of them names is a record."""
    found = PAGES | {"errors": ERRORS._replace(names=errors())}
    placed = {name for page in found.values() for name in page.names}
    others = sorted(set(pfslib.__all__) - placed - {"__version__"})
    found["records"] = found["records"]._replace(names=(*PAGES["records"].names, *others))
    return found


def undocumented() -> list[str]:
    """What is wrong with the names: on two pages, gone, or without a docstring."""
    placed = [name for page in reference_pages().values() for name in page.names]
    public = set(pfslib.__all__)
    wrong = [f"{name} has two pages" for name in sorted(placed) if placed.count(name) > 1]
    wrong += [f"{name} is not public" for name in placed if "." not in name and name not in public]
    wrong += [f"{name} has no docstring" for name in placed if not has_docstring(name)]
    kinds = {name: attrgetter(name)(pfslib) for name in placed}
    for name, kind in kinds.items():
        if isinstance(kind, type) and has_docstring(name):
            wrong += [f"{name}.{member} has no words" for member in silent_members(kind)]
    return wrong


def has_docstring(name: str) -> bool:
    """Whether a public name says what it is, by itself."""
    value = attrgetter(name)(pfslib)
    return bool(vars(value).get("__doc__") if isinstance(value, type) else getdoc(value))


def write_reference(directory: Path) -> None:
    """Write the pages that autodoc fills."""
    if wrong := undocumented():
        raise SystemExit("\n".join(wrong))
    directory.mkdir()
    for name, page in reference_pages().items():
        text = [f"# {page.title}", "", page.about, "", "```{eval-rst}"]
        for member in page.names:
            module, _, last = f"pfslib.{member}".rpartition(".")
            kind = "autoclass" if isinstance(attrgetter(member)(pfslib), type) else "autofunction"
            text += [f".. currentmodule:: {module}", "", f".. {kind}:: {last}", ""]
        (directory / f"{name}.md").write_text("\n".join([*text, "```", ""]), "utf-8")
    (directory / "index.md").write_text(INTRODUCTION + toctree(list(reference_pages())), "utf-8")


if __name__ == "__main__":
    sys.exit(main())
