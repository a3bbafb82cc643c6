#!/usr/bin/env bash
# Sets the address of the repository, once, everywhere it belongs: ci/address.sh https://…
#
# The address is written only in `repository` in [workspace.package], which every crate inherits and which is empty until
# there is an address. The links of the READMEs are relative until then, and absolute afterwards, because crates.io
# shows a README without the files around it. `tests/repository.rs` accepts both states.
set -euo pipefail
cd "$(dirname "$0")/.."

address=${1:-}
[[ $address =~ ^https://[^/[:space:]]+/[^[:space:]]*[^/[:space:]]$ ]] || { echo "usage: $0 https://…" >&2; exit 2; }
grep -qx 'repository = ""' Cargo.toml || { echo "the address is already set in Cargo.toml" >&2; exit 1; }

sed -i "s|^repository = \"\"\$|repository = \"$address\"|" Cargo.toml
for readme in README.md crates/*/README.md; do
  # The links are defined at the end of each README, one per line.
  sed -n 's/^\[[^]]*\]: \([^:]*\)$/\1/p' "$readme" | while read -r target; do
    path=$(realpath -m --relative-to=. "$(dirname "$readme")/$target")
    sed -i "s|^\(\[[^]]*\]: \)$target\$|\1$address/blob/main/$path|" "$readme"
  done
done
