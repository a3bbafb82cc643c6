#!/usr/bin/env bash
# Whether a branch or an address depends on a secret, by Valgrind: `assurance/constant_time/run.sh`.
# Prints its figures for each set of backends; fails on a report that none of the `verdicts*.supp` names, on a
# verdict that comes more or less often than it says there, where a control is not caught, and where other
# code ran than the set is for.
set -euo pipefail
cd "$(dirname "$0")"

if ! command -v valgrind >/dev/null; then
  echo "left out: valgrind is not installed"
  exit 3
fi
if [ "$(uname -sm)" != "Linux x86_64" ]; then
  echo "left out: the client requests are those of Linux on x86-64"
  exit 3
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
  local log=$1 tags=$2 used entries wrong
  used=$(sed -n 's/.*used_suppression: *\([0-9]*\) \(.*([0-9]*)\) .*/\1 \2/p' "$log")
  entries=$(cat verdicts.supp "$tags" | grep -c '^{')
  wrong=$(sed -n '/^\([0-9]*\) .*(\1)$/!p' <<<"$used")
  echo "verdicts: $(grep -c . <<<"$used") of $entries entries used, $(awk '{ n += $1 } END { print n + 0 }' <<<"$used") times"
  if [ -n "$wrong" ] || [ "$(grep -c . <<<"$used")" != "$entries" ]; then
    echo "WRONG: verdicts.supp and $tags expect other numbers than these:"
    sed 's/^/  /' <<<"$used"
    return 1
  fi
}

# Which code of each primitive ran: the source files that callgrind came through. A `--cfg` that is renamed
# upstream changes nothing and says nothing; and what the processor has, Valgrind may not have.
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

# What is run under Valgrind, what was compiled for it, and the code that is to run.
check() {
  local name=$1 expected=$2 backends=$3 log=$logs/$1 tags=verdicts_rust_crypto.supp built=$target code
  if [ "$name" = aws-lc ]; then tags=verdicts_aws_lc.supp; fi
  # Without flags in the place of all, where AWS-LC is built already.
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
    echo "not compared with what runs on a processor with $processor"
  elif [ "$code" != "$expected" ]; then
    echo "WRONG: $name is for $expected"
    failed=1
  fi
}

# What Valgrind 3.19 makes of a processor with AVX2, and of a newer one.
processor="aes, no vaes, pclmulqdq, avx2, no sha"
check detected "AES x86_aes, ChaCha20 avx2, GHASH x86, Poly1305 avx2, SHA-256 soft" ""
valgrind --quiet --error-limit=no "$target/release/undefined" known 2>"$logs/known" || failed=1
check sse2 "AES x86_aes, ChaCha20 sse2, GHASH x86, Poly1305 avx2, SHA-256 soft" '--cfg chacha20_backend="sse2"'
check aws-lc "AES x86_aes, AWS-LC aesni_gcm, AWS-LC chacha20_poly1305 avx2, GHASH x86, SHA-256 soft" "" --features aws-lc
check soft "AES fixslice, ChaCha20 soft, GHASH mul64, Poly1305 soft, SHA-256 soft" \
  '--cfg aes_backend="soft" --cfg polyval_backend="soft" --cfg chacha20_backend="soft" --cfg poly1305_backend="soft" --cfg sha2_backend="soft"'
[ "$failed" = 0 ]
