"""
What MkDocs does beside its configuration: the pages at the root of the repository join the site, and links between
files of the repository lead to the site's pages. A link to a file that is no page is shown as its text.
"""

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

HOME = "index.md"
_FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?P<image>!?)\[(?P<text>[^\[\]]*)\]\((?P<path>[^)\s#:]+)(?P<anchor>#[^)\s]*)?\)")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Puts the pages that the navigation does not name at its end, in its last section."""
    named = {name for section in config.nav for names in section.values() for name in names}
    there = [
        *(path.name for path in Path(config.docs_dir).glob("*.md")),
        *(name.lower() for name in _beside_readme(config)),
    ]
    for names in config.nav[-1].values():
        names += sorted(set(there) - named)
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Takes in README.md's neighbours, INSTALL.md as install.md; README.md itself has the site's start page instead."""
    for name in _beside_readme(config):
        files.append(File.generated(config, name.lower(), abs_src_path=str(_root(config) / name)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turns links that are relative to the file in the repository into links that are relative to the page."""
    pages = {Path(file.abs_src_path).resolve(): file.src_uri for file in files if file.abs_src_path}
    pages[_root(config) / "README.md"] = HOME
    folder = Path(page.file.abs_src_path).resolve().parent

    def lead(link: re.Match) -> str:
        path = (folder / link["path"]).resolve()
        if path in pages:
            address = posixpath.relpath(pages[path], posixpath.dirname(page.file.src_uri) or ".")
            return f"{link['image']}[{link['text']}]({address}{link['anchor'] or ''})"
        # A file that is not there stays a link, which a strict build stops at.
        return link["text"] if path.exists() and not link["image"] else link[0]

    parts, end = [], 0
    for fence in _FENCE.finditer(markdown):
        parts += [_LINK.sub(lead, markdown[end : fence.start()]), fence[0]]
        end = fence.end()
    return "".join([*parts, _LINK.sub(lead, markdown[end:])])


def _beside_readme(config: MkDocsConfig) -> list[str]:
    return sorted(path.name for path in _root(config).glob("*.md") if path.name != "README.md")


def _root(config: MkDocsConfig) -> Path:
    return Path(config.config_file_path).resolve().parent
