#!/usr/bin/env bash
# The pages of `conformance` and `bench` in a real browser: a run that passed, one that failed and one that measured, light and
# dark, wide and narrow.
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
"$command" bench "sqlite:$pages/bench.db" "json:$pages/bench.json" memory: --budget 3s --html "$pages/measured.html" >/dev/null

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
    return !element.closest("pre, .scroll") && element.checkVisibility() && element.getBoundingClientRect().right > card.right + 1;
}).map(element => element.textContent.slice(0, 30));
const dead = [...document.querySelectorAll("a[href^='#']")]
    .filter(a => !document.getElementById(a.getAttribute("href").slice(1))).map(a => a.textContent);
const root = document.documentElement;
const seen = {
    dark: matchMedia("(prefers-color-scheme: dark)").matches, width: innerWidth,
    overflow: root.scrollWidth > root.clientWidth, outside, faint, dead,
    requests: performance.getEntriesByType("resource").length,
    heading: document.querySelector("h1").textContent,
    verdict: document.querySelector(".verdict")?.textContent ?? "",
    clauses: document.querySelectorAll("details[id]").length,
    shown: document.querySelectorAll(".map a").length,
    failures: document.querySelectorAll("article.failure").length,
    history: document.querySelectorAll("article.failure details[open] pre").length,
    first: document.querySelector("main h2").textContent,
    charts: document.querySelectorAll("figure svg").length,
    lines: [...document.querySelectorAll("figure")].map(figure =>
        new Set([...figure.querySelectorAll("circle, polygon, line, polyline")].map(shape => getComputedStyle(shape).stroke)
            .filter(colour => colour !== "none")).size),
    clipped: [...document.querySelectorAll("svg text")].filter(text => {
        const [word, chart] = [text, text.closest("svg")].map(element => element.getBoundingClientRect());
        return word.left < chart.left - 1 || word.right > chart.right + 1 || word.bottom > chart.bottom + 1;
    }).map(text => text.textContent.trim()),
    uncoloured: [...document.querySelectorAll("figure svg *")].filter(shape => {
        const {fill, stroke} = getComputedStyle(shape);
        return [fill, stroke].some(colour => /^rgb\\((1|2|3), \\d, 0\\)$/.test(colour));
    }).length,
    promises: [...document.querySelectorAll(".operations td.number")]
        .filter(cell => !cell.closest("tr").textContent.includes("survives")).length,
};
document.title = JSON.stringify(seen);
</script></body>"""
for name in ("passed", "failed", "measured"):
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

for page in passed failed measured; do
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
everywhere = {
    "dark": scheme == "dark", "width": int(width), "overflow": False, "outside": [], "faint": [], "dead": [], "requests": 0,
    "clipped": [], "uncoloured": 0,
}
suite = {
    "verdict": "does not conform" if failed else "conforms",
    "failures": 1 if failed else 0, "history": 1 if failed else 0,
    "first": "What the storage does not keep" if failed else "The contract at a glance",
}
measured = {"verdict": "", "charts": 7, "promises": 0}
want = everywhere | (measured if page == "measured" else suite)
wrong = {name: (seen[name], value) for name, value in want.items() if seen[name] != value}
if page == "measured" and not all(lines >= 3 for lines in seen["lines"]):
    wrong["lines"] = seen["lines"]
if page != "measured" and not seen["clauses"] == seen["shown"] > 30:
    wrong["clauses"] = (seen["clauses"], seen["shown"])
if wrong:
    sys.exit(f"CI: the page of a run that {page}, {width} pixels, {scheme}: (got, want) {wrong}")
print(f"{page}, {width} pixels, {scheme}: {seen['heading']} {seen['verdict']}")
PYTHON
        done
    done
done
