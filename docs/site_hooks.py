"""What the site adds to the Markdown files: pages from outside docs/, notebooks, the commands' help, and links.

The files stay as GitHub shows them; links that leave the site lead to the repository.
"""

import posixpath
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
SOURCE = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]["Source"]
# File of the repository -> page of the site. Any other Markdown file under docs/ keeps its name.
PAGES = {
    "README.md": "index.md",
    "docs/README.md": "guides.md",
    "data/README.md": "data.md",
    "benchmarks/README.md": "benchmarks.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
    "fashion_keras/models/bundled/fashion_encoder/README.md": "models/fashion_encoder.md",
    "fashion_keras/models/bundled/fashion_small/README.md": "models/fashion_small.md",
} | {f"notebooks/{path.name}": f"notebooks/{path.stem}.md" for path in (ROOT / "notebooks").glob("*.ipynb")}
_FILE_OF = {page: file for file, page in PAGES.items()}
_LINK = re.compile(r"(\]\()([^)\s]+)(\))")
_FENCE = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages whose source is not in docs/, and take docs/README.md under another name."""
    files.remove(files.get_file_from_path("README.md"))
    for source, page in PAGES.items():
        path = ROOT / source
        added = _notebook_files(path, page) if path.suffix == ".ipynb" else [(page, path.read_text(encoding="utf-8"))]
        for name, content in added:
            files.append(File.generated(config, name, content=content))
    files.append(File.generated(config, "reference/commands.md", content=_commands_page()))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Point links at the pages of the site, or at the repository where the site has no such file."""
    source = _FILE_OF.get(page.file.src_uri, f"docs/{page.file.src_uri}")
    parts = _FENCE.split(markdown)  # code blocks at odd places
    for place in range(0, len(parts), 2):
        parts[place] = _LINK.sub(
            lambda match: match[1] + _target(match[2], source, page.file.src_uri, files) + match[3], parts[place]
        )
    return "".join(parts)


def _target(link: str, source: str, page: str, files: Files) -> str:
    """Return the link of a page for a link that its source file has."""
    if re.match(r"[a-z]+:|#", link):
        return link
    path, _, anchor = link.partition("#")
    file = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
    for name in (file, f"{file}/README.md"):
        uri = PAGES.get(name, name.removeprefix("docs/"))
        if files.get_file_from_path(uri):
            link = posixpath.relpath(uri, posixpath.dirname(page) or ".")
            return f"{link}#{anchor}" if anchor else link
    if (ROOT / file).exists():
        return f"{SOURCE}/blob/main/{file}"
    return link


def _notebook_files(path: Path, page: str) -> Iterator[tuple[str, str | bytes]]:
    """Yield a notebook with its committed outputs as a Markdown page, and its images."""
    from nbconvert import MarkdownExporter  # noqa: PLC0415 - slow to import

    folder = posixpath.splitext(page)[0]
    text, resources = MarkdownExporter().from_filename(
        str(path), {"output_files_dir": posixpath.basename(folder), "unique_key": "output"}
    )
    yield page, text
    for name, content in resources["outputs"].items():
        yield f"{posixpath.dirname(page)}/{name}", content


def _commands_page() -> str:
    """Return the help of every command as one page."""
    from fashion_keras.cli import _parser  # noqa: PLC0415 - only here

    sections = [
        "# Commands\n\nThe output of `--help`. Each flag is a field of the command's configuration in Python.\n"
    ]
    for name, parser in _leaves(_parser()):
        sections.append(f"## {name}\n\n```text\n{parser.format_help()}```\n")
    return "\n".join(sections)


def _leaves(parser: Any, name: str = "fashion-keras") -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - an argparse parser
    """Yield each command that has no commands below it, in the order of --help."""
    below = [action.choices for action in parser._actions if isinstance(action.choices, dict)]
    if not below:
        yield name, parser
    for choices in below:
        for word, child in choices.items():
            yield from _leaves(child, f"{name} {word}")
