#!/usr/bin/env bash
# Sets the address of the repository, once, everywhere it belongs: ci/address.sh REPOSITORY FILES
# For instance: ci/address.sh https://github.com/OWNER/NAME https://github.com/OWNER/NAME/blob/main
#
# The address is `repository` in [workspace.package], which every crate inherits, and in the manifests of the separate
# workspaces in crates/. It is empty until there is one. The links of the READMEs are relative until then. Afterwards
# they are absolute, below FILES, because crates.io shows a README without the files around it. `tests/repository.rs`
# accepts both states. GNU tools.
set -euo pipefail
cd "$(dirname "$0")/.."

repository=${1:-} files=${2:-}
for url in "$repository" "$files"; do
  [[ $url =~ ^https://[A-Za-z0-9._~/-]*[A-Za-z0-9_~-]$ ]] || { echo "usage: $0 https://… https://…" >&2; exit 2; }
done
[[ $files == "$repository"/* ]] || { echo "$files is not below $repository" >&2; exit 2; }
grep -qx 'repository = ""' Cargo.toml || { echo "the address is already set in Cargo.toml" >&2; exit 1; }

for readme in README.md crates/*/README.md; do
  # The links are defined at the end of each README, one per line.
  sed -n 's/^\[[^]]*\]: \([^:]*\)$/\1/p' "$readme" | while read -r target; do
    path=$(realpath -m --relative-to=. "$(dirname "$readme")/$target")
    sed -i "s|^\(\[[^]]*\]: \)$target\$|\1$files/$path|" "$readme"
  done
done
# Last, so that a run that stops half-way can be repeated.
sed -i "s|^repository = \"\"\$|repository = \"$repository\"|" crates/*/Cargo.toml Cargo.toml
