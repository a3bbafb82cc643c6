#!/usr/bin/env bash
# Searches the memory of a process that has dropped everything for what is left of its secrets:
# `assurance/residue/run.sh`. Prints its figures. Fails if a fragment is left, or if a control does not find what it
# must.
set -euo pipefail
cd "$(dirname "$0")"

if [ "$(uname -sm)" != "Linux x86_64" ]; then
  echo "skipped: the search reads memory and registers of Linux on x86-64"
  exit 3
fi
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/../../target}"
cargo build --quiet --release --locked
cargo build --quiet --release --locked --manifest-path without_wiping/Cargo.toml
built="$CARGO_TARGET_DIR/release"
# Side by side, and a copy, because the other probe is built in its place: so it reuses the AWS-LC that other steps have
# built.
first=$(mktemp -d)
finish() {
  kill "$searching" 2>/dev/null || true
  wait
  rm -rf "$first" "${TMPDIR:-/tmp}/residue-$searching" # What a search that was stopped has written.
}
cp "$built/probe" "$first"
"$built/search" "$first/probe" "$built/probe_without_wiping" >"$first/output" 2>&1 &
searching=$!
trap finish EXIT
cargo build --quiet --release --locked --bin probe --features aws-lc
status=0
second=$("$built/search" "$built/probe" "$built/probe_without_wiping" 2>&1) || status=$?
wait "$searching" || status=$?
cat "$first/output"
echo "with feature aws-lc:"
echo "$second"
exit $status
