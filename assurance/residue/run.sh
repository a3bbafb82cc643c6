#!/usr/bin/env bash
# What is left of secrets in the memory of a process that has dropped everything: `assurance/residue/run.sh`.
# Prints its figures; fails where a fragment is left, and where a control does not find what it must.
set -euo pipefail
cd "$(dirname "$0")"

if [ "$(uname -sm)" != "Linux x86_64" ]; then
  echo "left out: reads memory as Linux on x86-64 has it"
  exit 3
fi
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/../../target}"
cargo build --quiet --release --locked
cargo build --quiet --release --locked --manifest-path without_wiping/Cargo.toml
built="$CARGO_TARGET_DIR/release"
"$built/search" "$built/probe" "$built/probe_without_wiping"
echo "with feature aws-lc:"
# In place of the other probe, so that it stands on the AWS-LC that others have built.
cargo build --quiet --release --locked --bin probe --features aws-lc
"$built/search" "$built/probe" "$built/probe_without_wiping"
