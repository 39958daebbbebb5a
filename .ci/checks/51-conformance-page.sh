#!/usr/bin/env bash
# The suite's page in a real browser: a run that passed and one that failed, light and dark, wide and narrow.
set -euo pipefail
source "$(dirname "$0")/../lib.sh"
cd "$root"

need chromium chromium
cargo build --quiet "${everything[@]}" --bin token-storage
command=${CARGO_TARGET_DIR:-$root/target}/debug/token-storage
pages=$work/pages
rm -rf "$pages"
mkdir -p "$pages"

"$command" conformance memory: --level core,enumerate --html "$pages/passed.html" >/dev/null
# A file that cannot grow makes a storage that does not conform.
code=0
(ulimit -f 256 && exec "$command" conformance "json:$pages/tokens.json" --filter limits::a_record_of_half \
    --html "$pages/failed.html") >/dev/null 2>&1 || code=$?
[ "$code" = 1 ] || die "a run with a failure ended with $code"

# The page itself has no script; copies of it get one that looks at what the browser made of it.
python3 - "$pages" <<'PYTHON'
import pathlib, sys

PROBE = """<script>
const luminance = rgb => {
    const [r, g, b] = rgb.map(v => v / 255).map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b;
};
const numbers = colour => colour.match(/[\\d.]+/g).map(Number);
const background = element => {
    for (let e = element; e; e = e.parentElement) {
        const [r, g, b, a = 1] = numbers(getComputedStyle(e).backgroundColor);
        if (a > 0) return [r, g, b];
    }
    return [255, 255, 255];
};
const faint = [];
for (const element of document.querySelectorAll("main *")) {
    const text = [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim());
    if (!text || !element.checkVisibility()) continue;
    const style = getComputedStyle(element);
    const colour = numbers(element.closest("svg") ? style.fill : style.color).slice(0, 3);
    const [a, b] = [luminance(colour), luminance(background(element))].sort((x, y) => y - x);
    if ((a + .05) / (b + .05) < 4.5) faint.push(`${element.className}: ${element.textContent.slice(0, 30)}`);
}
const outside = [...document.querySelectorAll(".card *")].filter(element => {
    const card = element.closest(".card").getBoundingClientRect();
    return !element.closest("pre") && element.checkVisibility() && element.getBoundingClientRect().right > card.right + 1;
}).map(element => element.textContent.slice(0, 30));
const dead = [...document.querySelectorAll("a[href^='#']")]
    .filter(a => !document.getElementById(a.getAttribute("href").slice(1))).map(a => a.textContent);
const root = document.documentElement;
const seen = {
    dark: matchMedia("(prefers-color-scheme: dark)").matches, width: innerWidth,
    overflow: root.scrollWidth > root.clientWidth, outside, faint, dead,
    requests: performance.getEntriesByType("resource").length,
    heading: document.querySelector("h1").textContent,
    verdict: document.querySelector(".verdict").textContent,
    clauses: document.querySelectorAll("details[id]").length,
    shown: document.querySelectorAll(".map a").length,
    failures: document.querySelectorAll("article.failure").length,
    history: document.querySelectorAll("article.failure details[open] pre").length,
    first: document.querySelector("main h2").textContent,
};
document.title = JSON.stringify(seen);
</script></body>"""
for name in ("passed", "failed"):
    page = pathlib.Path(sys.argv[1], f"{name}.html").read_text()
    for unwanted in ("<script", "<link", "<img", "http:", "https:", "url("):
        assert unwanted not in page, f"{name}: {unwanted}"
    pathlib.Path(sys.argv[1], f"{name}-probe.html").write_text(page.replace("</body>", PROBE))
PYTHON

# browse PAGE WIDTH FLAG...: the DOM after loading. It talks to nobody.
browse() {
    local page=$1 width=$2 profile
    shift 2
    profile=$(mktemp -d "$pages/profile.XXXXXX")
    timeout 600 chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run \
        --disable-background-networking --disable-component-update --disable-sync --hide-scrollbars \
        --user-data-dir="$profile" --window-size="$width,1000" "$@" --dump-dom "file://$pages/$page-probe.html" 2>"$pages/chromium.log" ||
        { tail -n 20 "$pages/chromium.log" >&2; die "chromium failed"; }
}

for page in passed failed; do
    for width in 1200 500; do
        for scheme in light dark; do
            flags=()
            [ "$scheme" = light ] || flags=(--blink-settings=preferredColorScheme=0)
            browse "$page" "$width" "${flags[@]}" >"$pages/dom.html"
            python3 - "$pages/dom.html" "$page" "$width" "$scheme" <<'PYTHON'
import html, json, re, sys

dom, page, width, scheme = open(sys.argv[1]).read(), *sys.argv[2:]
seen = json.loads(html.unescape(re.search("<title>(.*?)</title>", dom, re.S)[1]))
failed = page == "failed"
want = {
    "dark": scheme == "dark", "width": int(width), "overflow": False, "outside": [], "faint": [], "dead": [], "requests": 0,
    "verdict": "does not conform" if failed else "conforms",
    "failures": 1 if failed else 0, "history": 1 if failed else 0,
    "first": "What the storage does not keep" if failed else "The contract at a glance",
}
wrong = {name: (seen[name], value) for name, value in want.items() if seen[name] != value}
if not seen["clauses"] == seen["shown"] > 30:
    wrong["clauses"] = (seen["clauses"], seen["shown"])
if wrong:
    sys.exit(f"CI: the page of a run that {page}, {width} pixels, {scheme}: (got, want) {wrong}")
print(f"{page}, {width} pixels, {scheme}: {seen['heading']} {seen['verdict']}")
PYTHON
        done
    done
done
