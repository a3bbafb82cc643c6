#!/usr/bin/env bash
# Runs the library's tests with the oldest versions that Cargo.toml allows: assurance/oldest_versions.sh
#
# It does so twice: with the oldest version of every crate, and with the oldest version of each crate that Cargo.toml
# names and the newest of all others. The second run includes sealwax-credentials, whose HTTP clients do not build with
# the oldest version of every crate. It resolves in copies of the tree, in the target directory. Each run takes some
# minutes.
set -euo pipefail
cd "$(dirname "$0")/.."

out=${CARGO_TARGET_DIR:-$PWD/target}/oldest_versions
tests="--lib --test behaviour --test contract --test dependencies --test error_table --test heap --test legacy --test wycheproof"
crates() { cargo tree -p sealwax --all-features -e normal --prefix none --no-dedupe --locked | sed 's/ (.*//' | sort -u; }

mkdir -p "$out"
crates >"$out/committed"
for resolution in minimal-versions direct-minimal-versions; do
  copy=$out/$resolution/tree
  rm -rf "$copy" && mkdir -p "$copy"
  git ls-files -z --cached --others --exclude-standard |
    tar c --null --files-from=- --ignore-failed-read | tar x -C "$copy"
  # byok-vault is a program, so it is built only with its committed versions.
  members="" companion=""
  if [ $resolution = direct-minimal-versions ]; then
    members='"crates/sealwax-credentials"' companion="-p sealwax-credentials --test destinations"
  fi
  sed -i "s|^members = .*|members = [$members]|" "$copy/Cargo.toml"
  (
    cd "$copy"
    export CARGO_TARGET_DIR="$out/$resolution/built"
    # The variable lets a stable cargo accept an unstable option, so that no nightly is needed. It is set only for
    # the resolution, which compiles nothing.
    RUSTC_BOOTSTRAP=1 cargo update -Z "$resolution" 2>"$out/$resolution/update" ||
      { cat "$out/$resolution/update"; exit 1; }
    crates >"$out/$resolution/crates"
    # shellcheck disable=SC2086 # one word an argument
    cargo test -p sealwax $companion --all-features --locked $tests >"$out/$resolution/log" 2>&1 ||
      { grep -E '^error|panicked at|FAILED' -A 4 "$out/$resolution/log"; exit 1; }
  )
  older=$(comm -13 "$out/committed" "$out/$resolution/crates" | wc -l)
  passed=$(awk '/^test result: ok/ { sum += $4 } END { print sum + 0 }' "$out/$resolution/log")
  echo "$resolution: $(wc -l <"$out/$resolution/crates") crates, $older not at the version in Cargo.lock;" \
    "$passed tests passed on $(rustc --version | cut -d ' ' -f 2)"
  # Asserts that the resolved versions differ from the committed ones, and that the tests ran.
  [ "$older" -ge 10 ]
  [ "$passed" -ge 200 ]
done
