#!/usr/bin/env bash
# Counts the instructions that each operation takes for 51 bytes, with callgrind: `benches/instructions.sh`. Compares
# them with `instructions.txt`, and fails if a count is more than 3 % higher, or more than 3 % lower, because a
# committed figure that is too high hides the next loss. `--bless` writes that file. Exits with 3 if nothing could be
# compared: the figures hold for one compiler and one Valgrind.
#
# SHA-256's compression is counted separately: Valgrind 3.19 has to run it without the processor's SHA instructions, and
# its 54,000 instructions per seal would hide everything else. There the limit is 1 %, and one block more, 6 % of a
# seal's, fails. libc's memset, which Valgrind counts by the byte, is excluded; tests/stack.rs checks how much of the
# stack is wiped.
set -euo pipefail
cd "$(dirname "$0")/.."

case ${1:-} in "" | --bless) ;; *) echo "usage: $0 [--bless]" >&2; exit 2 ;; esac
for tool in valgrind callgrind_annotate; do
  command -v "$tool" >/dev/null || { echo "skipped: $tool is not installed"; exit 3; }
done
if [ "$(uname -sm)" != "Linux x86_64" ] || ! grep -qw aes /proc/cpuinfo || ! grep -qw avx2 /proc/cpuinfo; then
  echo "skipped: the committed figures are for Linux on x86-64 with AES and AVX2"
  exit 3
fi
compiler="$(rustc --version | cut -d' ' -f1,2), $(valgrind --version)"
committed=benches/instructions.txt
times=400
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}"
program=$(cargo bench -q -p sealwax --locked --bench instructions --no-run --message-format=json |
  sed -nE 's/.*"executable":"([^"]*instructions-[^"]*)".*/\1/p')
folder="$(mktemp -d)"
trap 'rm -r "$folder"' EXIT

# Prints two counts for a run, without memset: the instructions outside SHA-256's compression, and those in it.
instructions() {
  valgrind --tool=callgrind --callgrind-out-file="$folder/out" "$program" "$@" >"$folder/log" 2>&1 ||
    { cat "$folder/log" >&2; exit 1; }
  callgrind_annotate --threshold=100 "$folder/out" |
    awk '/PROGRAM TOTALS|^-/ || !/\(.*%\)/ || /memset/ { next }
      { gsub(",", "", $1) }
      /sha2::sha256.*compress/ { sha += $1; next }
      { other += $1 }
      END { if (!other || !sha) exit 1; print other, sha }'
}

declare -A before
while read -r suite verb; do
  before[$suite]=${before[$suite]:-$(instructions "$suite" "$verb" 0)}
  after=$(instructions "$suite" "$verb" "$times")
  awk -v name="$suite $verb" -v times="$times" '{ printf "%s\t%d\t%d\n", name, ($3 - $1) / times, ($4 - $2) / times }' \
    <<<"${before[$suite]} $after"
done < <("$program") >"$folder/counted"
[ "$(wc -l <"$folder/counted")" -ge 15 ]

if [ "${1:-}" = --bless ]; then
  { echo "# $compiler"; cat "$folder/counted"; } >"$committed"
fi
# A new or a missing operation is a difference too.
diff <(tail -n +2 "$committed" | cut -f1) <(cut -f1 "$folder/counted")
paste <(tail -n +2 "$committed") <(cut -f2,3 "$folder/counted") | awk -F'\t' '
  function change(was, is) { return was ? 100 * (is / was - 1) : is ? 100 : 0 }
  {
    other = change($2, $4); sha = change($3, $5)
    printf "%-24s %6d, was %6d: %+5.1f %%;  SHA-256 %6d, was %6d: %+5.1f %%\n", $1, $4, $2, other, $5, $3, sha
  }
  other > 3 || other < -3 || sha > 1 || sha < -1 { changed++ }
  END { exit !NR || changed }
' || {
  blessed=$(sed -n '1s/^# //p' "$committed")
  if [ "$blessed" = "$compiler" ]; then
    echo "WRONG: the figures differ from $committed; if the change is intended, run benches/instructions.sh --bless"
    exit 1
  fi
  echo "not compared: the committed figures are for $blessed, these for $compiler"
  exit 3
}
