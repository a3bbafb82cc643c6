#!/usr/bin/env bash
# Fuzzes each target for a number of seconds and prints one line of results for it: fuzz/run.sh SECONDS [TARGET…]
#
# Needs bash 4. Starts from corpus/, which it only reads. The inputs it finds accumulate in the target directory, and
# the next run starts from them too.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:?usage: fuzz/run.sh SECONDS [TARGET…]}
shift
jobs=${FUZZ_JOBS:-$(getconf _NPROCESSORS_ONLN)}
found=${CARGO_TARGET_DIR:-$PWD/fuzz/target}/found
mapfile -t targets < <(if [ $# -gt 0 ]; then printf '%s\n' "$@"; else ls fuzz/corpus; fi)

cargo +nightly fuzz build
echo "$seconds s per target, $jobs jobs in parallel"
failed=0 executions=0 spent=0
# Numbers have a decimal point, whatever the locale of the machine.
export LC_ALL=C TIMEFORMAT=%U
for target in "${targets[@]}"; do
  artifacts=$PWD/fuzz/artifacts/$target/
  log=$found/$target.log
  mkdir -p "$found/$target" "$artifacts"
  ended=well
  # Measures user-mode processor time instead of wall-clock time: a busy machine does less work in a minute.
  cpu=$({
    time cargo +nightly fuzz run "$target" "$found/$target" "fuzz/corpus/$target" -- \
      -fork="$jobs" -ignore_timeouts=0 -ignore_ooms=0 -timeout=10 -max_total_time="$seconds" \
      -artifact_prefix="$artifacts" >"$log" 2>&1
  } 2>&1) || ended=badly
  # This counts crashes, timeouts and inputs that use too much memory.
  crashes=$(grep -c 'Test unit written to' "$log" || true)
  # #EXECUTIONS: cov: C ft: F corp: N exec/s: S oom/timeout/crash: …
  line=$(grep -E '^#[0-9]+: cov:' "$log" | tail -n 1 || true)
  awk -v target="$target" -v crashes="$crashes" -v cpu="$cpu" '{
    printf "%-14s %11d executions  %6d cpu-s  cov %5d  ft %6d  corpus %5d  %d crashes\n",
      target, substr($1, 2), cpu, $3, $5, $7, crashes
  }' <<<"${line:-#0: cov: 0 ft: 0 corp: 0}"
  executions=$((executions + $(sed -E 's/^#([0-9]+).*/\1/' <<<"${line:-#0:}")))
  spent=$((spent + ${cpu%.*}))
  if [ "$ended" = badly ] || [ -z "$line" ] || [ "$crashes" != 0 ]; then
    failed=1
    grep -m 1 -E 'panicked at|ERROR: libFuzzer|^error' -A 1 "$log" || tail -n 5 "$log"
    grep -o 'Test unit written to .*' "$log" || true
  fi
done
echo "total: $executions executions in $spent seconds of processor time"
exit "$failed"
