"""The documentation: its examples run, its links exist, and its lines are short."""

import re

import pytest

from conftest import PROJECT

PAGES = sorted([
    PROJECT / "README.md",
    PROJECT / "CONTRIBUTING.md",
    *(PROJECT / "docs").glob("*.md"),
    *(PROJECT / "rs_denoise" / "models").glob("*.md"),
])  # fmt: skip
# Tables written by commands.
NOT_WRAPPED = {"results-real.md", "results-simulated.md", "speed-tables.md"}
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MAX_COLUMNS, MAX_README_LINES = 100, 150


def code(path, language):
    return [text for name, text in BLOCK.findall(path.read_text()) if name == language]


def anchors(path):
    """Anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", BLOCK.sub("", path.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


@pytest.mark.parametrize("page", ["README.md", "docs/python.md"])
def test_the_python_examples_run(page, tmp_path, monkeypatch):
    (tmp_path / "demo").symlink_to(PROJECT / "demo")
    monkeypatch.chdir(tmp_path)
    blocks = code(PROJECT / page, "python")
    assert blocks
    names = {}
    for block in blocks:
        exec(compile(block, page, "exec"), names)
    assert names["result"].depth_mm.shape == (480, 848) == names["result"].confidence.shape
    if page == "docs/python.md":
        assert len(list(tmp_path.glob("out/*/camera.json"))) == 2
        assert set(names["summary"].methods) == {"raw", "denoised", "median"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for link in LINK.findall(page.read_text()):
        if link.startswith(("http:", "https:")):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page.name not in NOT_WRAPPED], ids=lambda page: page.name
)
def test_lines_of_prose_end_at_100_columns(page):
    """Rows of tables and blocks of code cannot be broken."""
    prose = BLOCK.sub("", page.read_text()).splitlines()
    long = [line for line in prose if len(line) > MAX_COLUMNS and not line.startswith("|")]
    assert not long


def test_the_readme_is_short():
    assert len((PROJECT / "README.md").read_text().splitlines()) <= MAX_README_LINES


def test_the_index_lists_every_page_once():
    listed = LINK.findall((PROJECT / "docs" / "README.md").read_text())
    pages = {page.name for page in (PROJECT / "docs").glob("*.md")} - {"README.md"}
    assert sorted(set(listed) - {"../README.md"}) == sorted(pages)
    assert len(listed) == len(set(listed))


def test_ci_runs_the_test_command_of_the_readme():
    (ci,) = re.findall(r"^make .*$", (PROJECT / ".ci" / "run").read_text(), re.MULTILINE)
    commands = [line.partition("#")[0].strip() for line in "".join(
        code(PROJECT / "README.md", "bash")).splitlines()]  # fmt: skip
    assert ci in commands
