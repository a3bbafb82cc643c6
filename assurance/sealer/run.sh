#!/usr/bin/env bash
# A program with a `Sealer` and no keyring contains no function that decrypts: assurance/sealer/run.sh
#
# Builds a writer and a reader without optimisation, so that each function keeps its symbol, and searches the symbols
# that the linker has left in. The reader is the control: each pattern finds something in it. Exits with 3 if `nm` is
# not installed.
set -euo pipefail
cd "$(dirname "$0")"

command -v nm >/dev/null || { echo "skipped: needs nm (binutils)"; exit 3; }
built=${CARGO_TARGET_DIR:-$PWD/target}/debug
CARGO_PROFILE_DEV_OPT_LEVEL=0 cargo build -q --locked

# What a reader does, from the KEM up: each has the name of a function.
patterns=(decapsulate setup_receiver single_shot_open decrypt unwrap open_payload)
symbols() { nm --demangle "$built/$1" | grep -E 'sealwax|hpke|x_wing|ml_kem|aes_gcm|chacha20poly1305'; }
symbols writer >"$built/writer.symbols"
symbols reader >"$built/reader.symbols"
[ "$(wc -l <"$built/writer.symbols")" -ge 100 ] || { echo "only $(wc -l <"$built/writer.symbols") symbols"; exit 1; }
grep -q 'Sealer.*seal_with_rng' "$built/writer.symbols"
for pattern in "${patterns[@]}"; do
  # Result::unwrap and the like are not in these crates.
  in_reader=$(grep -cE "::(<[^>]*>::)?[a-z_]*$pattern" "$built/reader.symbols" || true)
  [ "$in_reader" -ge 1 ] || { echo "WRONG: the control has no function called $pattern"; exit 1; }
  if grep -E "::(<[^>]*>::)?[a-z_]*$pattern" "$built/writer.symbols"; then
    echo "WRONG: the writer has functions called $pattern"
    exit 1
  fi
  echo "$pattern: none in the writer, $in_reader in the reader"
done

# And both do what they are for.
{ read -r opening; read -r sealing; } < <("$built/reader")
envelope=$("$built/writer" "primary dashboard $sealing" "the customer's API key")
[ "$("$built/reader" "primary dashboard $opening" "$envelope")" = "the customer's API key" ]
echo "the writer's envelope opens in the reader"
