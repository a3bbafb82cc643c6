#!/usr/bin/env bash
# Checks under Valgrind whether a branch or an address depends on a secret: `assurance/constant_time/run.sh`.
# Prints its figures for each set of backends. Fails on a report that no entry of `verdicts*.supp` covers, on a
# verdict that is reached more or less often than its entry says, if a control is not caught, and if other code
# ran than the set is for.
set -euo pipefail
cd "$(dirname "$0")"

if ! command -v valgrind >/dev/null; then
  echo "skipped: valgrind is not installed"
  exit 3
fi
if [ "$(uname -sm)" != "Linux x86_64" ]; then
  echo "skipped: the client requests are written for Linux on x86-64"
  exit 3
fi
target="${CARGO_TARGET_DIR:-$PWD/../../target}"
logs="$(mktemp -d)"
failed=0
finish() {
  if [ "$failed" = 0 ]; then
    rm -r "$logs"
  else
    echo "Each report follows the name of its operation in $logs; $(rustc --version), $(valgrind --version)"
  fi
}
trap finish EXIT

# Checks that Valgrind suppressed each verdict as often as its entry says in brackets.
verdicts() {
  local log=$1 tags=$2 used entries wrong
  used=$(sed -n 's/.*used_suppression: *\([0-9]*\) \(.*([0-9]*)\) .*/\1 \2/p' "$log")
  entries=$(cat verdicts.supp "$tags" | grep -c '^{')
  wrong=$(sed -n '/^\([0-9]*\) .*(\1)$/!p' <<<"$used")
  echo "verdicts: $(grep -c . <<<"$used") of $entries entries used, $(awk '{ n += $1 } END { print n + 0 }' <<<"$used") times"
  if [ -n "$wrong" ] || [ "$(grep -c . <<<"$used")" != "$entries" ]; then
    echo "WRONG: these numbers differ from those in verdicts.supp and $tags:"
    sed 's/^/  /' <<<"$used"
    return 1
  fi
}

# Prints which code of each primitive ran, by the source files that callgrind saw. This is measured because a `--cfg`
# that was renamed upstream is ignored silently, and because Valgrind may lack what the processor has.
ran() {
  valgrind --tool=callgrind --callgrind-out-file="$2" "$1" run 2>"$2.log"
  sed -nE '/^c?f[lie]=\([0-9]+\) /{
    s,.*/aes-[0-9.]+/src/backends/(x86_[a-z0-9]+|fixslice)[/.].*,AES \1,p
    s,.*/polyval-[0-9.]+/src/.*/(x86|mul64)\.rs$,GHASH \1,p
    s,.*/chacha20-[0-9.]+/src/backends/([a-z0-9]+)\.rs$,ChaCha20 \1,p
    s,.*/poly1305-[0-9.]+/src/backend/(avx2|soft)[/.].*,Poly1305 \1,p
    s,.*/sha2-[0-9.]+/src/sha256/([a-z0-9_]+)[/.].*,SHA-256 \1,p
  }
  /^c?fn=\([0-9]+\) /{
    s,.*(aesni_gcm)_encrypt$,AWS-LC \1,p
    s,.* (chacha20_poly1305)_seal_(avx2)$,AWS-LC \1 \2,p
  }' "$2" | sort -u | paste -sd, | sed 's/,/, /g'
}

# Builds the program and runs it under Valgrind. Arguments: the set, the code that must run, RUSTFLAGS, cargo's flags.
check() {
  local name=$1 expected=$2 backends=$3 log=$logs/$1 tags=verdicts_rust_crypto.supp built=$target code
  if [ "$name" = aws-lc ]; then tags=verdicts_aws_lc.supp; fi
  # Without RUSTFLAGS, build in the shared target directory, which already has AWS-LC.
  if [ -n "$backends" ]; then built=$target/ct-$name; fi
  echo "== $name"
  RUSTFLAGS="$backends" cargo build --quiet --release --locked --bin undefined "${@:4}" --target-dir "$built"
  local program="$built/release/undefined"
  valgrind -s --num-callers=14 --error-limit=no --suppressions=verdicts.supp --suppressions=$tags "$program" 2>"$log" >"$log.out" || failed=1
  cat "$log.out"
  verdicts "$log" "$tags" || failed=1
  code=$(ran "$program" "$log.callgrind") || failed=1
  echo "ran: $code"
  if [ "$name" != soft ] && ! grep -q ": $processor\$" "$log.out"; then
    echo "not compared: the expected code is for a processor with $processor"
  elif [ "$code" != "$expected" ]; then
    echo "WRONG: $name must run $expected"
    failed=1
  fi
}

# The features that Valgrind 3.19 reports on a processor with AVX2, or on a newer one.
processor="aes, no vaes, pclmulqdq, avx2, no sha"
check detected "AES x86_aes, ChaCha20 avx2, GHASH x86, Poly1305 avx2, SHA-256 soft" ""
valgrind --quiet --error-limit=no "$target/release/undefined" known 2>"$logs/known" || failed=1
check sse2 "AES x86_aes, ChaCha20 sse2, GHASH x86, Poly1305 avx2, SHA-256 soft" '--cfg chacha20_backend="sse2"'
check aws-lc "AES x86_aes, AWS-LC aesni_gcm, AWS-LC chacha20_poly1305 avx2, GHASH x86, SHA-256 soft" "" --features aws-lc
check soft "AES fixslice, ChaCha20 soft, GHASH mul64, Poly1305 soft, SHA-256 soft" \
  '--cfg aes_backend="soft" --cfg polyval_backend="soft" --cfg chacha20_backend="soft" --cfg poly1305_backend="soft" --cfg sha2_backend="soft"'
[ "$failed" = 0 ]
