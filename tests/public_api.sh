#!/usr/bin/env bash
# The public interface, item by item, against what is committed: tests/public_api.sh [--bless | --release]
#
# public_api/listing.txt is the interface of this tree, with every feature. Whoever changes the one changes the
# other, by --bless, where a reviewer sees it. public_api/baseline.txt is that of the version in its first line, the
# last to be released (before the first release: the one to come), written by --release. What it has and the tree
# has not is a break, and fails unless the version in Cargo.toml is one that may break.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v cargo-public-api >/dev/null || ! rustup toolchain list | grep -q '^nightly'; then
  echo "left out: needs cargo-public-api (cargo install --locked cargo-public-api) and a nightly rustdoc's JSON"
  exit 0
fi
listing=tests/public_api/listing.txt baseline=tests/public_api/baseline.txt
now=$(mktemp -d)
trap 'rm -rf "$now"' EXIT
cargo +nightly public-api -p sealwax --all-features -s --color never >"$now/all" 2>"$now/errors" ||
  { cat "$now/errors"; exit 1; }
# `-s` leaves out what std implements for every type. These are unstable: they come and go with the nightly.
grep -vE '^impl.* core::marker::(Freeze|StructuralPartialEq|UnsafeUnpin) for ' "$now/all" >"$now/listing"
version=$(grep -m 1 '^version = ' Cargo.toml | cut -d '"' -f 2)

case ${1:-} in
"") ;;
--bless) cp "$now/listing" $listing ;;
--release) cp "$now/listing" $listing && { echo "$version" && cat $listing; } >$baseline ;;
*) echo "usage: tests/public_api.sh [--bless | --release]" && exit 2 ;;
esac

failed=0
items=$(wc -l <"$now/listing")
[ "$items" -ge 500 ] || { echo "only $items items: the tool has not seen the crate" && exit 1; }
if ! diff -U 0 --label committed --label now $listing "$now/listing"; then
  echo "the interface is not the one in $listing: if it is to be so, tests/public_api.sh --bless"
  failed=1
fi

# 1.2.3 keeps what 1.1.0 has, and 0.1.2 what 0.1.1 has.
series() { sed -E 's/^(0\.[0-9]+|[1-9][0-9]*)\..*/\1/' <<<"$1"; }
released=$(head -n 1 $baseline)
gone=$(comm -23 <(tail -n +2 $baseline | sort) <(sort "$now/listing"))
broken=$(grep -c . <<<"$gone" || true)
new=$(comm -13 <(tail -n +2 $baseline | sort) <(sort "$now/listing") | wc -l)
if [ "$broken" != 0 ] && [ "$(series "$version")" = "$(series "$released")" ]; then
  echo "breaking: $version has no more what $released has:"
  echo "$gone"
  failed=1
fi
echo "$items public items; against $released: $broken gone or changed, $new new"
exit "$failed"
