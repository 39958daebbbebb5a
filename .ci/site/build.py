"""Builds the status site: build.py REPORTS BENCH OUT.

REPORTS has what the suites of the backends wrote (NAME.json, NAME.html), BENCH is the file name of a bench without its ending
(.json, .html), OUT is a folder that is made anew. The providers are those of docs/providers.md. Every page is complete in itself.
"""

import json
import pathlib
import re
import shutil
import sys
import tomllib
from datetime import datetime, timezone

import jinja2
from markdown_it import MarkdownIt
from markupsafe import Markup

ROOT = pathlib.Path(__file__).resolve().parents[2]
LEVELS = {
    "core": "what every storage does",
    "enumerate": "listing",
    "lease": "refresh leases",
    "durable": "reopening, kills, damage",
    "shared": "several handles and processes",
    "hostile": "dropped calls, faults, odd keys and sizes",
}
OPERATIONS = {
    "get": "read one record, another each time",
    "store": "write one record, durably where the storage is",
    "compare-and-swap": "write if nobody else has",
    "open": "open it anew and read",
    "refresh": "all that one refresh asks of the storage",
}


def text(cell):
    """What is code stays code; a link becomes the name of its page, as that is not part of the site."""
    named = re.sub(r"\[([^\]]*)\]\(([^)#\s]*)[^)]*\)", lambda link: f"`docs/{link[2]}`", cell)
    return Markup(MarkdownIt("commonmark", {"html": False}).renderInline(named))


def providers():
    page = (ROOT / "docs/providers.md").read_text()
    table = page.split("<!-- begin of the table -->\n")[1].split("<!-- end of the table -->")[0]
    head, _, *rows = [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))] for line in table.splitlines()
    ]
    return [dict(zip(head, map(text, row), strict=True)) for row in rows]


def backends():
    """Memory, and the members in backends/ that have a suite, with how each is written."""
    found = {"memory": "memory"}
    for member in tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["members"]:
        manifest = tomllib.loads((ROOT / member / "Cargo.toml").read_text())
        if member.startswith("backends/") and any(test["name"] == "conformance" for test in manifest.get("test", [])):
            found[member.removeprefix("backends/")] = manifest["package"]["metadata"]["token-storage"]["title"]
    return found


def duration(seconds):
    """Three digits at most."""
    for unit, factor in (("s", 1), ("ms", 1e3), ("µs", 1e6)):
        if seconds * factor >= 1:
            value = seconds * factor
            return f"{value:.0f} {unit}" if value >= 99.5 else f"{value:.1f} {unit}"
    return f"{seconds * 1e9:.0f} ns"


def speed(report):
    """A row for each operation: how long half of the calls took at most, of one task and the largest number of records."""
    rows = []
    for name, meaning in OPERATIONS.items():
        cells = []
        for storage in report["storages"]:
            alone = [one for one in storage["measured"] if one["operation"] == name and one["tasks"] == 1]
            largest = max(alone, key=lambda one: one["records"], default=None)
            cells.append(duration(largest["latency_seconds"]["p50"]) if largest else "–")
        rows.append((name, meaning, cells))
    return rows


def home(page):
    """The page of a tool, with a way back to the first one."""
    way = '<main>\n<nav class="soft"><a href="index.html">token-storage: the state of things</a></nav>'
    changed = page.replace("<main>\n", way, 1)
    if changed == page:
        sys.exit("CI: the site: a page has no <main>")
    return changed


def main(reports, bench, out):
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    found = []
    for name, title in backends().items():
        results = json.loads((reports / f"{name}.json").read_text())
        results |= {"title": title, "page": f"conformance-{name}.html"}
        results["passed"] = {level["level"]: level["passed"] for level in results["levels"]}
        results["failed"] = sum(level["failed"] for level in results["levels"])
        if list(results["passed"]) != list(LEVELS):
            sys.exit(f"CI: the site: the levels are {list(results['passed'])}")
        (out / results["page"]).write_text(home((reports / f"{name}.html").read_text()))
        found.append(results)
    measured = json.loads(bench.with_suffix(".json").read_text())
    (out / "bench.html").write_text(home(bench.with_suffix(".html").read_text()))
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(pathlib.Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters["day"] = lambda seconds: f"{datetime.fromtimestamp(seconds, timezone.utc):%Y-%m-%d}"
    page = templates.get_template("index.html.jinja").render(
        style=Markup((ROOT / "conformance/src/report/page.css").read_text()),
        version=tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"],
        backends=found,
        levels=LEVELS,
        bench=measured,
        speed=speed(measured),
        providers=providers(),
    )
    (out / "index.html").write_text(page)


if __name__ == "__main__":
    main(*map(pathlib.Path, sys.argv[1:]))
