#!/usr/bin/env bash
# Whether comparisons take the same time wherever the difference is, by dudect: `tests/constant_time/dudect.sh`.
# Prints |t| for each. Above 10 the two classes differ; noise comes and goes, so a comparison fails that is
# above three times in a row. The controls, which end at the first difference, must be above each time.
set -euo pipefail
cd "$(dirname "$0")"

export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/../../target}"
cargo build --quiet --release --locked --bin dudect
program="$CARGO_TARGET_DIR/release/dudect"
threshold=10
failed=0

# The largest |t| of one bench: by its own line, because `mac` is part of another name too.
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
  above "$t" || { echo "WRONG: $bench is not told apart"; failed=1; }
done
for bench in secrets mac commitment; do
  tries=""
  for _ in 1 2 3; do
    t=$(t_of "$bench")
    tries="$tries $t"
    above "$t" || break
  done
  echo "$bench: |t| =$tries"
  if above "$t"; then echo "WRONG: $bench depends on where the difference is"; failed=1; fi
done
[ "$failed" = 0 ]
