#!/usr/bin/env bash
# Compares the public interface, item by item, with ci/public_api.txt: ci/public_api.sh [--bless]
#
# The list is the interface of this tree, with every feature. A change to the interface also changes the list, with
# --bless, so that a reviewer sees it. The list has no blanket and no auto-trait implementations: the former come from
# std, and tests/behaviour asserts which types are `Send` and `Sync`.
set -euo pipefail
cd "$(dirname "$0")/.."

case ${1:-} in "" | --bless) ;; *) echo "usage: $0 [--bless]" >&2; exit 2 ;; esac
if ! command -v cargo-public-api >/dev/null || ! rustup toolchain list | grep -q '^nightly'; then
  echo "skipped: needs cargo-public-api (cargo install --locked cargo-public-api) and a nightly toolchain, for rustdoc's JSON"
  exit 3
fi
committed=ci/public_api.txt
now=$(mktemp -d)
trap 'rm -rf "$now"' EXIT
cargo +nightly public-api -p sealwax --all-features --omit blanket-impls,auto-trait-impls --color never \
  >"$now/all" 2>"$now/errors" || { cat "$now/errors"; exit 1; }
# This trait is unstable and derived along with `PartialEq`, so whether it is listed depends on the nightly.
grep -v '^impl.* core::marker::StructuralPartialEq for ' "$now/all" >"$now/listing"
items=$(wc -l <"$now/listing")
[ "$items" -ge 500 ] || { echo "only $items items: the tool has not seen the whole crate"; exit 1; }

if [ "${1:-}" = --bless ]; then cp "$now/listing" "$committed"; fi
if ! diff -U 0 --label committed --label now "$committed" "$now/listing"; then
  echo "the interface differs from $committed; if the change is intended, run ci/public_api.sh --bless"
  exit 1
fi
echo "$items public items"
