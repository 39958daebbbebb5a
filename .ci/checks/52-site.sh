#!/usr/bin/env bash
# The status site in target/ci/site: conformance of each storage, speed, providers. Its links lead somewhere, and it is looked at in
# a real browser, light and dark, wide and narrow. `.ci/checks/52-site.sh REPORTS` takes the reports of the suites from there.
set -euo pipefail
source "$(dirname "$0")/../lib.sh"
source "$(dirname "$0")/../browser.sh"
cd "$root"

site=$work/site
reports=${1:-$(conformance_reports)} || die "a suite failed"
tools=$(python_env site jinja2==3.1.6 markdown-it-py==4.3.0)

# Figures of a build without optimisation would say nothing; this one has only what is measured.
export CARGO_TARGET_DIR=$targets/site
cargo build --quiet --locked --release -p token-storage-cli --no-default-features --features bench,json,sqlite
made=$(mktemp -d "$work/site-made.XXXXXX")
"$CARGO_TARGET_DIR/release/token-storage" bench "sqlite:$made/tokens.db" "json:$made/tokens.json" memory: --budget 5s --json \
    --html "$made/bench.html" >"$made/bench.json"
"$tools/bin/python" .ci/site/build.py "$reports" "$made/bench" "$site"
rm -rf "$made"

python3 - "$site" <<'PYTHON'
import html.parser, pathlib, sys

class Page(html.parser.HTMLParser):
    def __init__(self, file):
        super().__init__()
        self.ids, self.links = set(), []
        self.feed(file.read_text())

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.ids.add(attributes.get("id"))
        self.links += [attributes["href"]] if "href" in attributes else []

site = pathlib.Path(sys.argv[1])
pages = {file.name: Page(file) for file in site.glob("*.html")}
followed, wrong, reached = 0, [], {"index.html"}
for name, page in pages.items():
    for link in page.links:
        file, _, heading = link.partition("#")
        target = pages.get(file or name)
        followed += 1
        reached.add(file or name)
        if target is None or heading and heading not in target.ids:
            wrong.append(f"{name}: {link} leads nowhere")
wrong += [f"nothing leads to {name}" for name in sorted(set(pages) - reached)]
for line in wrong:
    print(f"CI: the site: {line}", file=sys.stderr)
print(f"{len(pages)} pages, {followed} links, {sum(f.stat().st_size for f in site.iterdir()) // 1000} kB")
sys.exit(bool(wrong) or followed < 100)
PYTHON

looked=$work/site-looked
rm -rf "$looked"
cp -r "$site" "$looked"
for page in index conformance-sqlite bench; do
    probe "$looked/$page.html"
    for width in 1200 500; do
        for scheme in light dark; do
            browse "$looked/$page-probe.html" "$width" "$scheme" >"$looked/dom.html"
            seen "$looked/dom.html" "$page.html" "$width" "$scheme" '{}'
        done
    done
done
say "the site is in $site"
