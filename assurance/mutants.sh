#!/usr/bin/env bash
# Mutation testing: changes the library in each way that cargo-mutants knows, and counts the changes that no
# test notices: assurance/mutants.sh [JOBS]. Linux; needs `cargo install --locked cargo-mutants`; takes an hour or two.
#
# Those that nothing can notice are left out in .cargo/mutants.toml, each with its reason, and count as missed.
set -euo pipefail
cd "$(dirname "$0")/.."

jobs=${1:-$(nproc)}
out=${CARGO_TARGET_DIR:-$PWD/target}
unset CARGO_TARGET_DIR # each copy of the tree builds in its own
export CARGO_INCREMENTAL=1 CARGO_PROFILE_DEV_DEBUG=0 CARGO_PROFILE_TEST_DEBUG=0
# KiB: a mutant that takes memory without end is to end.
ulimit -v 12000000

rm -rf "$out"/mutants.*
mkdir -p "$out"
# The quickest tests first; each stage is for those that the stages before it have not noticed. As arguments
# of the build too: without them it builds every test for every change. A stage begins with its tests over the
# library as it is: where they fail, it ends there.
for tests in "--test=corpora" \
  "--lib --test=behaviour --test=contract --test=error_table --test=heap --test=architecture" \
  "--test=legacy --test=salamander --test=wycheproof" \
  "--release --test=stack"; do
  status=0
  # shellcheck disable=SC2086 # one word an argument
  mapfile -t arguments < <(printf -- '--cargo-arg=%s\n' $tests)
  cargo mutants --package sealwax --iterate --output "$out" --jobs "$jobs" --timeout 90 \
    --colors never --cargo-arg=--locked "${arguments[@]}" || status=$?
  # 2: some were missed; 3: some took too long, which is noticed.
  case $status in 0 | 2 | 3) ;; *) exit "$status" ;; esac
  for outcome in caught unviable; do cat "$out/mutants.out/$outcome.txt" >>"$out/mutants.$outcome"; done
done

count() { wc -l <"$1"; }
all=$(cargo mutants --list --package sealwax --all-features --no-config | wc -l)
explained=$((all - $(cargo mutants --list --package sealwax | wc -l)))
caught=$(count "$out/mutants.caught") unviable=$(count "$out/mutants.unviable")
timeouts=$(count "$out/mutants.out/timeout.txt") missed=$(count "$out/mutants.out/missed.txt")
cat "$out/mutants.out/missed.txt"
echo "$all mutants, $unviable do not compile; $caught caught, $timeouts took too long, $explained explained, $missed missed"
awk -v noticed=$((caught + timeouts)) -v viable=$((all - unviable)) \
  'BEGIN { printf "%d of %d noticed: %.2f %%\n", noticed, viable, 100 * noticed / viable }'
[ "$missed" = 0 ]
