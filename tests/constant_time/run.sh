#!/usr/bin/env bash
# Whether a branch or an address depends on a secret, by Valgrind: `tests/constant_time/run.sh`.
# Prints its figures for each set of backends; fails on a report that `verdicts.supp` does not name, on a
# verdict that comes more or less often than it says there, and where a control is not caught.
set -euo pipefail
cd "$(dirname "$0")"

if ! command -v valgrind >/dev/null; then
  echo "left out: valgrind is not installed"
  [ -z "${SEALWAX_REQUIRE_VALGRIND:-}" ]
  exit
fi
if [ "$(uname -sm)" != "Linux x86_64" ]; then
  echo "left out: the client requests are those of Linux on x86-64"
  exit 0
fi
target="${CARGO_TARGET_DIR:-$PWD/../../target}"
logs="$(mktemp -d)"
failed=0
finish() {
  if [ "$failed" = 0 ]; then
    rm -r "$logs"
  else
    echo "Each report stands behind its operation in $logs; $(rustc --version), $(valgrind --version)"
  fi
}
trap finish EXIT

# The verdicts that Valgrind let pass, each as often as its entry says in brackets.
verdicts() {
  local log=$1 used entries wrong
  used=$(sed -n 's/.*used_suppression: *\([0-9]*\) \(.*([0-9]*)\) .*/\1 \2/p' "$log")
  entries=$(grep -c '^{' verdicts.supp)
  wrong=$(sed -n '/^\([0-9]*\) .*(\1)$/!p' <<<"$used")
  echo "verdicts: $(grep -c . <<<"$used") of $entries entries used, $(awk '{ n += $1 } END { print n + 0 }' <<<"$used") times"
  if [ -n "$wrong" ] || [ "$(grep -c . <<<"$used")" != "$entries" ]; then
    echo "WRONG: verdicts.supp expects other numbers than these:"
    sed 's/^/  /' <<<"$used"
    return 1
  fi
}

# What is run under Valgrind, and what was compiled for it.
check() {
  local name=$1 backends=$2 log=$logs/$1
  echo "== $name"
  RUSTFLAGS="$backends" cargo build --quiet --release --locked --bin undefined --target-dir "$target/ct-$name"
  local program="$target/ct-$name/release/undefined"
  valgrind -s --num-callers=14 --error-limit=no --suppressions=verdicts.supp "$program" 2>"$log" || failed=1
  verdicts "$log" || failed=1
}

check detected ""
valgrind --quiet --error-limit=no "$target/ct-detected/release/undefined" named 2>"$logs/named" || failed=1
check sse2 '--cfg chacha20_backend="sse2"'
check soft '--cfg aes_backend="soft" --cfg polyval_backend="soft" --cfg chacha20_backend="soft" --cfg poly1305_backend="soft" --cfg sha2_backend="soft"'
[ "$failed" = 0 ]
