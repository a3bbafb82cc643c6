#!/usr/bin/env bash
# Reports how much of the library the inputs reach, both those in corpus/ and those that run.sh has found since:
# fuzz/coverage.sh
#
# Needs `rustup component add llvm-tools --toolchain nightly`. Prints one line for each target, and one for
# all of them together.
set -euo pipefail
cd "$(dirname "$0")/.."

target_dir=${CARGO_TARGET_DIR:-$PWD/fuzz/target}
host=$(rustc +nightly -vV | sed -n 's/^host: //p')
tools=$(rustc +nightly --print sysroot)/lib/rustlib/$host/bin
built=$target_dir/coverage/$host/release

# Prints how many lines and regions of src/ were reached, and how many there are.
report() {
  local profile=$1 name=$2 first=$3
  shift 3
  # The TOTAL line has regions, missed regions and a percentage, then the same for functions and for lines.
  "$tools/llvm-cov" report "$first" "${@/#/--object=}" --instr-profile="$profile" "$PWD/src" |
    awk -v name="$name" '$1 == "TOTAL" {
      printf "%-14s %5d of %d lines (%s)  %5d of %d regions (%s)\n", name, $8 - $9, $8, $10, $2 - $3, $2, $4
    }'
}

profiles=() programs=()
for corpus in fuzz/corpus/*; do
  name=$(basename "$corpus")
  found=$target_dir/found/$name
  mkdir -p "$found"
  log=$found.coverage.log
  cargo +nightly fuzz coverage --target-dir "$target_dir/coverage" "$name" "$corpus" "$found" >"$log" 2>&1 ||
    { tail -n 20 "$log"; exit 1; }
  profiles+=("fuzz/coverage/$name/coverage.profdata") programs+=("$built/$name")
  report "${profiles[-1]}" "$name" "${programs[-1]}"
done
"$tools/llvm-profdata" merge --sparse "${profiles[@]}" -o fuzz/coverage/all.profdata
report fuzz/coverage/all.profdata "all" "${programs[@]}"
