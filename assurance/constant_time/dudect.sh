#!/usr/bin/env bash
# Measures with dudect whether comparisons take the same time wherever the difference is:
# `assurance/constant_time/dudect.sh`. Prints |t| of each try. Above 10, the two classes differ. Because noise comes
# and goes, a comparison above 10 is tried four more times, and fails if at least three of the five tries are above.
# A small leak, which is above most of the time, is thus not mistaken for noise. The controls, which end at the first
# difference, have one try.
set -euo pipefail
cd "$(dirname "$0")"

export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/../../target}"
cargo build --quiet --release --locked --bin dudect
program="$CARGO_TARGET_DIR/release/dudect"
threshold=10
failed=0

# Prints the largest |t| of one bench. Matches its whole name, because `--filter` also matches parts of names.
t_of() {
  "$program" --filter "$1" | sed -n "s/^bench $1 .*max t = \([+-][0-9.]*\).*/\1/p" | tr -d '+-'
}
above() {
  [ -n "$1" ] || { echo "WRONG: no such bench"; exit 1; }
  awk -v t="$1" -v threshold="$threshold" 'BEGIN { exit !(t > threshold) }'
}

for bench in ends_early_in_64 ends_early_in_16; do
  t=$(t_of "$bench")
  echo "$bench: |t| = $t, a control"
  above "$t" || { echo "WRONG: the two classes of $bench do not differ"; failed=1; }
done
for bench in secrets mac commitment salt token claims; do
  tries=""
  count=0
  for try in 1 2 3 4 5; do
    t=$(t_of "$bench")
    tries="$tries $t"
    if above "$t"; then count=$((count + 1)); elif [ "$try" = 1 ]; then break; fi
  done
  echo "$bench: |t| =$tries"
  if [ "$count" -ge 3 ]; then echo "WRONG: $bench depends on where the difference is"; failed=1; fi
done
[ "$failed" = 0 ]
