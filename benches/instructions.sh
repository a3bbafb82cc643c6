#!/usr/bin/env bash
# Instructions that a verb takes for 51 bytes, by callgrind: `benches/instructions.sh`. Prints them beside
# `instructions.txt`, and fails where a verb takes 3 % more than it says there. `--bless` writes that file.
#
# Without two functions that say nothing about the library: SHA-256's compression, which Valgrind 3.19 has to
# run without the processor's instructions for it (64 000 instructions a seal), and libc's memset, which it
# counts by the byte.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v valgrind >/dev/null; then
  echo "left out: valgrind is not installed"
  exit 0
fi
compiler="$(rustc --version | cut -d' ' -f1,2), $(valgrind --version)"
if [ "$(uname -sm)" != "Linux x86_64" ] || ! grep -qw aes /proc/cpuinfo || ! grep -qw avx2 /proc/cpuinfo; then
  echo "left out: the figures are those of x86-64 with AES and AVX2"
  exit 0
fi
times=400
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}"
program=$(cargo bench -q -p sealwax --locked --bench instructions --no-run --message-format=json |
  sed -nE 's/.*"executable":"([^"]*instructions-[^"]*)".*/\1/p')
folder="$(mktemp -d)"
trap 'rm -r "$folder"' EXIT

# All instructions of a run, but for those two functions.
instructions() {
  valgrind --tool=callgrind --callgrind-out-file="$folder/out" "$program" "$@" >"$folder/log" 2>&1 ||
    { cat "$folder/log"; exit 1; }
  callgrind_annotate --threshold=100 "$folder/out" |
    awk '/\*\*\*|PROGRAM TOTALS|^-/ { next }
      /\(.*%\)/ && !/sha2::sha256.*compress|memset/ { gsub(",", "", $1); n += $1 } END { print n }'
}

declare -A before
while read -r suite verb; do
  before[$suite]=${before[$suite]:-$(instructions "$suite" "$verb" 0)}
  all=$(instructions "$suite" "$verb" "$times")
  printf '%s %s\t%s\n' "$suite" "$verb" $(((all - before[$suite]) / times))
done < <("$program") >"$folder/counted"
[ "$(wc -l <"$folder/counted")" -ge 15 ]

if [ "${1:-}" = --bless ]; then
  { echo "# $compiler"; cat "$folder/counted"; } >benches/instructions.txt
fi
blessed=$(sed -n '1s/^# //p' benches/instructions.txt)
# A verb that is new, or gone, is a difference too.
diff <(tail -n +2 benches/instructions.txt | cut -f1) <(cut -f1 "$folder/counted")
paste <(tail -n +2 benches/instructions.txt) <(cut -f2 "$folder/counted") | awk -F'\t' '
  { change = 100 * ($3 / $2 - 1); printf "%-24s %8d, was %8d: %+5.1f %%\n", $1, $3, $2, change }
  change > 3 { grown++ }
  END { exit grown > 0 }
' || {
  if [ "$blessed" = "$compiler" ]; then
    echo "WRONG: more than 3 % more. If that is what it has to cost: benches/instructions.sh --bless"
    exit 1
  fi
  echo "not compared: the committed figures are of $blessed, these of $compiler"
}
