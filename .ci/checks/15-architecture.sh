#!/usr/bin/env bash
# The crates use each other as docs/architecture.md says, in that direction only, and the files it names are there.
# CONTRIBUTING.md tells of every check.
set -euo pipefail
source "$(dirname "$0")/../lib.sh"
cd "$root"

cargo metadata --no-deps --locked --format-version 1 >"$work/metadata.json"
python3 - "$work/metadata.json" <<'PYTHON'
import json, pathlib, re, sys

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

for line in wrong:
    print(f"CI: the map: {line}", file=sys.stderr)
sys.exit(bool(wrong))
PYTHON
