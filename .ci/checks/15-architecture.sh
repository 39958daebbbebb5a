#!/usr/bin/env bash
# The crates use each other as docs/architecture.md says, in that direction only, and the files it names are there; and every
# file of Rust belongs to a crate.
# CONTRIBUTING.md tells of every check.
set -euo pipefail
source "$(dirname "$0")/../lib.sh"
cd "$root"

cargo metadata --no-deps --locked --format-version 1 >"$work/metadata.json"
python3 - "$work/metadata.json" <<'PYTHON'
import json, pathlib, re, subprocess, sys

page = pathlib.Path("docs/architecture.md").read_text()
root = pathlib.Path.cwd()
wrong = []

# The table: crate, folder, what it may use.
table = page.split("<!-- held by .ci/checks/15-architecture.sh -->\n")[1].split("<!-- end -->")[0]
rows = [[cell.strip() for cell in line.strip("| \n").split("|")] for line in table.splitlines()[2:]]
named = lambda cell: re.findall(r"`([^`]+)`", cell)
crates = {named(row[0])[0]: (named(row[1])[0], row[2]) for row in rows}
short = {name.removeprefix("token-storage-"): name for name in crates} | {"the facade": "token-storage"}
allowed = {}
for name, (folder, uses) in crates.items():
    words = named(uses) + (["the facade"] if "the facade" in uses else [])
    allowed[name] = {short.get(word, word) for word in words}

packages = {package["name"]: package for package in json.loads(pathlib.Path(sys.argv[1]).read_text())["packages"]}
if set(packages) != set(crates):
    wrong.append(f"the page's crates and the workspace's differ: {sorted(set(packages) ^ set(crates))}")
for name, package in packages.items():
    folder = pathlib.Path(package["manifest_path"]).parent.relative_to(root)
    if name in crates and str(folder) != crates[name][0]:
        wrong.append(f"{name} is in {folder}")
    used = {d["name"] for d in package["dependencies"] if d["kind"] != "dev" and d["name"] in packages}
    for more in sorted(used - allowed.get(name, set())):
        wrong.append(f"{name} uses {more}, which the page does not allow")

# The first picture's arrows: none that the table does not allow. A name may stand for its folder: `json[backends/json]`.
picture = page.split("```mermaid\n")[1].split("```")[0]
folders = dict(re.findall(r"([\w-]+)\[([^\]]+)\]", picture)) | {"facade": "."}
by_folder = {folder: name for name, (folder, _) in crates.items()}
arrows = re.findall(r"^ *([\w-]+)(?:\[[^\]]*\])? *(?:-->|-\. \"[^\"]*\" \.->|-\.->) *([\w-]+)", picture, re.M)
crate = lambda node: by_folder.get(folders.get(node, node), node)
if len(arrows) < 10:
    wrong.append(f"only {len(arrows)} arrows were found in the first picture")
for here, there in arrows:
    if crate(there) not in allowed.get(crate(here), set()):
        wrong.append(f"the first picture has an arrow from {here} to {there}, which the table does not allow")

# A path has a slash and no placeholder; the pictures' are held by the text beside them.
paths = {path for path in re.findall(r"`([\w./-]+/[\w./-]+)`", page)}
paths |= {f"docs/{path}" for path in re.findall(r"\]\(([\w-]+\.md)\)", page)}
if len(paths) < 40:
    wrong.append(f"only {len(paths)} paths were found on the page")
wrong += [f"{path} is named and not there" for path in sorted(paths) if not (root / path.removesuffix(" --update")).exists()]

contributing = pathlib.Path("CONTRIBUTING.md").read_text()
told = set(re.findall(r"checks/([\w-]+\.sh)", contributing))
checks = {path.name for path in pathlib.Path(".ci/checks").iterdir()}
wrong += [f"CONTRIBUTING.md and .ci/checks differ in {name}" for name in sorted(told ^ checks)]

# A file that no `mod` names is compiled by nobody, and its tests, cases or broken storages are run by nobody. (A case, or a
# list of cases or broken storages, that is in no list itself is dead code, and clippy's affair.)
listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.rs", "*Cargo.toml"]
files = map(pathlib.Path, subprocess.run(listing, check=True, capture_output=True, text=True).stdout.splitlines())
texts = {path: path.read_text() for path in files if path.exists()}
# What cargo finds by itself, or is told of, or another file takes in by its path; and what must not compile.
by_itself = re.compile(
    r"(^|/)(build\.rs|src/(lib|main)\.rs|(src/bin|tests|benches|examples)/[^/]+(/main)?\.rs|tests/compile_fail/[^/]+)$"
)
by_path = re.compile(r'(?:\bpath = |\binclude!\()"([^"]+\.rs)"')
reached = {(path.parent / there).resolve() for path, text in texts.items() for there in by_path.findall(text)}
modules = [path for path in texts if path.suffix == ".rs" and not by_itself.search(str(path)) and path.resolve() not in reached]
for path in modules:
    name, folder = (path.parent.name, path.parent.parent) if path.name == "mod.rs" else (path.stem, path.parent)
    beside = [text for other, text in texts.items() if folder in (other.parent, other.with_suffix(""))]
    if not any(re.search(rf"^ *(pub(\([^)]*\))? )?mod {name};", text, re.M) for text in beside):
        wrong.append(f"{path} belongs to no crate: nothing beside it says `mod {name};`")
if len(modules) < 500:
    wrong.append(f"only {len(modules)} modules were found")

for line in wrong:
    print(f"CI: the map: {line}", file=sys.stderr)
sys.exit(bool(wrong))
PYTHON
