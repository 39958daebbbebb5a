# Sourced by checks that look at pages in a real browser, after lib.sh.
# shellcheck shell=bash

need chromium chromium

# probe PAGE.html: writes PAGE-probe.html beside it, which puts what the browser made of the page into its title, as JSON.
# Pages have no script of their own, and name nothing that would have to be fetched.
probe() {
    python3 - "$root/.ci/probe.html" "$1" <<'PYTHON'
import pathlib, re, sys

probe, page = (pathlib.Path(path) for path in sys.argv[1:])
text = page.read_text()
foreign = re.search(r"""<script|<link|<img|url\(|(?:href|src)=["']?(?:[a-z]+:|//)""", text)
if foreign:
    sys.exit(f"CI: {page.name}: {foreign[0]}")
page.with_name(f"{page.stem}-probe.html").write_text(text.replace("</body>", probe.read_text() + "</body>"))
PYTHON
}

# chromium_on WIDTH SCHEME FLAG... ADDRESS: light or dark; it talks to nobody. What a page says on its console fails. Its log is
# in its profile, as two checks may look at pages at the same time.
chromium_on() {
    local width=$1 scheme=$2 profile
    shift 2
    [ "$scheme" = light ] || set -- --blink-settings=preferredColorScheme=0 "$@"
    profile=$(mktemp -d "$work/profile.XXXXXX")
    timeout 600 chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run \
        --disable-background-networking --disable-component-update --disable-sync --hide-scrollbars --enable-logging=stderr \
        --user-data-dir="$profile" --window-size="$width,1000" "$@" 2>"$profile/log" ||
        { tail -n 20 "$profile/log" >&2; die "chromium failed"; }
    ! grep CONSOLE "$profile/log" >&2 || die "the page says that on its console"
    rm -rf "$profile"
}

# browse PROBED WIDTH SCHEME: the document after loading.
browse() { chromium_on "$2" "$3" --dump-dom "file://$1"; }

# seen DOM PAGE WIDTH SCHEME EXPECTED: holds what the probe saw in the document against what every page must be, and against
# what else is expected, a JSON object; PAGE is what messages call it.
seen() {
    python3 - "$@" <<'PYTHON'
import html, json, re, sys

dom, page, width, scheme, expected = open(sys.argv[1]).read(), *sys.argv[2:]
seen = json.loads(html.unescape(re.search("<title>(.*?)</title>", dom, re.S)[1]))
want = {
    "dark": scheme == "dark", "width": int(width), "overflow": False, "outside": [], "faint": [], "dead": [], "requests": 0,
    "clipped": [], "uncoloured": 0,
} | json.loads(expected)
wrong = {name: (seen[name], value) for name, value in want.items() if seen[name] != value}
if wrong:
    sys.exit(f"CI: {page}, {width} pixels, {scheme}: (got, want) {wrong}")
print(f"{page}, {width} pixels, {scheme}: {seen['heading']} {seen['verdict']}")
PYTHON
}
