#!/usr/bin/env bash
# Mutation testing: changes the library in each way that cargo-mutants knows, and counts the changes that no
# test notices: tests/mutants.sh [JOBS]. Needs `cargo install --locked cargo-mutants`; takes an hour or two.
set -euo pipefail
cd "$(dirname "$0")/.."

jobs=${1:-$(nproc)}
out=${CARGO_TARGET_DIR:-$PWD/target}
unset CARGO_TARGET_DIR # each copy of the tree builds in its own
export CARGO_INCREMENTAL=1 CARGO_PROFILE_DEV_DEBUG=0 CARGO_PROFILE_TEST_DEBUG=0
# A mutant that takes memory without end is to end.
ulimit -v 12000000

rm -rf "$out/mutants.out"
# The quickest tests first; each stage is for those that the stages before it have not noticed. As arguments
# of the build too: without them it builds every test for every change.
for tests in "--test=corpora" "--lib --test=behaviour --test=heap" "--test=legacy --test=salamander --test=wycheproof"; do
  status=0
  mapfile -t arguments < <(printf -- '--cargo-arg=%s\n' $tests)
  cargo mutants --package sealwax --iterate --output "$out" --jobs "$jobs" --baseline skip --timeout 60 \
    --colors never --cargo-arg=--locked "${arguments[@]}" || status=$?
  # 2: some were missed; 3: some timed out, which is noticed.
  case $status in 0 | 2 | 3) ;; *) exit "$status" ;; esac
done
