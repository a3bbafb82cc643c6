#!/usr/bin/env bash
# Mutation testing: changes the library in each way that cargo-mutants knows, and counts the changes that no test
# notices: assurance/mutants.sh [JOBS [PACKAGE]], for `sealwax` or another package of the workspace. Needs Linux and
# `cargo install --locked cargo-mutants`; takes an hour or two.
#
# .cargo/mutants.toml excludes the changes that no test can notice, each with its reason. They count as not noticed.
set -euo pipefail
cd "$(dirname "$0")/.."

jobs=${1:-$(nproc)} package=${2:-sealwax}
out=${CARGO_TARGET_DIR:-$PWD/target}
unset CARGO_TARGET_DIR # each copy of the tree builds in its own target directory
export CARGO_INCREMENTAL=1 CARGO_PROFILE_DEV_DEBUG=0 CARGO_PROFILE_TEST_DEBUG=0
# In KiB. A mutant that allocates without end must be stopped.
ulimit -v 12000000

rm -rf "$out"/mutants.*
mkdir -p "$out"
# The fastest tests come first, and each stage runs the mutants that the earlier stages did not notice. The arguments
# also apply to the build, which would otherwise build every test for every change. Each stage first runs its tests on
# the unchanged library, and fails if they do.
stages=("--test=corpora"
  "--lib --test=behaviour --test=contract --test=error_table --test=heap --test=architecture"
  "--test=legacy --test=salamander --test=wycheproof"
  "--release --test=stack --test=kem_stack")
[ "$package" = sealwax ] || stages=("--tests")
for tests in "${stages[@]}"; do
  status=0
  # shellcheck disable=SC2086 # each word is an argument
  mapfile -t arguments < <(printf -- '--cargo-arg=%s\n' $tests)
  cargo mutants --package "$package" --iterate --output "$out" --jobs "$jobs" --timeout 90 \
    --colors never --cargo-arg=--locked "${arguments[@]}" || status=$?
  # 2: some were missed. 3: some took too long, which counts as noticed.
  case $status in 0 | 2 | 3) ;; *) exit "$status" ;; esac
  for outcome in caught unviable; do cat "$out/mutants.out/$outcome.txt" >>"$out/mutants.$outcome"; done
done

count() { wc -l <"$1"; }
all=$(cargo mutants --list --package "$package" --all-features --no-config | wc -l)
explained=$((all - $(cargo mutants --list --package "$package" | wc -l)))
caught=$(count "$out/mutants.caught") unviable=$(count "$out/mutants.unviable")
timeouts=$(count "$out/mutants.out/timeout.txt") missed=$(count "$out/mutants.out/missed.txt")
cat "$out/mutants.out/missed.txt"
echo "$all mutants, $unviable do not compile; $caught caught, $timeouts took too long, $explained explained, $missed missed"
awk -v noticed=$((caught + timeouts)) -v viable=$((all - unviable)) \
  'BEGIN { printf "%d of %d noticed: %.2f %%\n", noticed, viable, 100 * noticed / viable }'
[ "$missed" = 0 ]
