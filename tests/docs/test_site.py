"""The site builds without a warning, holds every page, and asks nothing of the network."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest

from docs.commands import ROOT, pages

# What a browser fetches by itself, unlike a link.
FETCHED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href"}


class Fetched(HTMLParser):
    """Addresses that a page makes a browser fetch, and the identifiers of its elements."""

    def __init__(self):
        super().__init__()
        self.addresses, self.classes = [], set()

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.classes |= set((values.get("class") or "").split())
        if tag in FETCHED and values.get(FETCHED[tag]) and values.get("rel") != "canonical":
            self.addresses.append(values[FETCHED[tag]])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    pytest.importorskip("material", reason="mkdocs-material is not installed: pip install '.[docs]'")
    folder = tmp_path_factory.mktemp("site")
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr
    return folder


def test_every_page_is_on_the_site(site):
    wanted = {page.stem.lower() + ".html" for page in pages()} - {"readme.html"}
    assert wanted | {"404.html"} == {path.name for path in site.glob("*.html")}


def test_a_page_fetches_what_the_site_holds_and_nothing_else(site):
    for page in site.glob("*.html"):
        found = Fetched()
        found.feed(page.read_text(encoding="utf-8"))
        assert found.addresses and "mermaid" not in found.classes  # drawn by a program from the network
        for address in found.addresses:
            assert not re.match(r"[a-z]+:|//", address), f"{page.name}: {address}"
            path = site / address.split("?")[0].split("#")[0].lstrip("/")
            assert path.exists(), f"{page.name}: {address}"


def test_styles_fetch_no_fonts_or_pictures_from_elsewhere(site):
    for style in site.glob("**/*.css"):
        for address in re.findall(r"url\(([^)]+)\)", style.read_text(encoding="utf-8")):
            assert address.strip("'\"").startswith("data:"), f"{style.name}: {address}"


def test_links_between_files_of_the_repository_lead_to_pages(site):
    start = (site / "index.html").read_text(encoding="utf-8")
    assert 'href="install.html"' in start and 'href="dataset.html"' in start
    steps = (site / "start.html").read_text(encoding="utf-8")
    assert "scripts/demo.sh" in steps and 'href="../scripts/demo.sh"' not in steps
    assert 'href="own_data.html"' in steps


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_a_list_or_table_stands_apart_from_the_text_before_it(page):
    """GitHub makes a list of a line that follows text at once; the site's Markdown does not."""
    text = re.sub(r"^ *```.*?^ *```", "```", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    lines = text.splitlines()
    starts = re.compile(r"(- |\* |\d+\. |\|)")
    for above, line in zip(lines, lines[1:], strict=False):
        if starts.match(line) and above.strip() and not starts.match(above) and not above.startswith((" ", "<!--")):
            raise AssertionError(f"{page.name}: no empty line before {line!r}")
