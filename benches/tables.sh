#!/usr/bin/env bash
# Writes the figures of `src/docs/performance.md` to `src/docs/measurements.md`, as Markdown: `benches/tables.sh`.
# Takes about fifteen minutes, most of them for builds, on a machine that does nothing else. `--esdk` adds the AWS
# Encryption SDK and takes about ten minutes more. `--test` runs everything for a moment only and prints the tables;
# its figures mean nothing. Needs Linux on x86-64.
set -euo pipefail
cd "$(dirname "$0")/.."

quick=()
peers="age"
against=
for argument in "$@"; do
  case "$argument" in
    --test) quick=(--test) ;;
    --esdk) peers+=",esdk" ;;
    --against=*) against=${argument#--against=} ;;
    *) echo "$0 [--esdk] [--against=COMMIT] [--test]" >&2; exit 2 ;;
  esac
done
if [ "$(uname -sm)" != "Linux x86_64" ]; then
  echo "needs Linux on x86-64: the flags compared are for x86-64, and Linux describes the machine" >&2
  exit 2
fi
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}" CARGO_TERM_QUIET=true
work="$(mktemp -d)"
trap 'rm -r "$work"' EXIT
# The page is part of the library's documentation, so it must not change while the library is built: it is replaced
# when it is complete.
page=src/docs/measurements.md
exec 3>&1 >"$work/page"

summary() { cargo bench -p sealwax --locked --bench summary "$@"; }
of_peers() { cargo bench --manifest-path benches/peers/Cargo.toml --locked "$@"; }

echo "## Measurements"
echo
echo "By \`benches/tables.sh${*:+ $*}\` on $(date -u +%F), with $(rustc --version | cut -d' ' -f1,2), on" \
  "$(sed -n 's/^model name\s*: //p' /proc/cpuinfo | head -1), $(nproc) cores, $(uname -s) $(uname -r | cut -d. -f1,2)." \
  "Each figure is the fastest of many short batches. The contenders in a table took turns."
echo
if [ -n "$against" ]; then
  echo "### Each operation compared with commit $against"
  echo
  benches/against.sh "$against" ${quick:+1}
  echo
fi
summary -- "${quick[@]}"
echo
summary --features aws-lc -- "${quick[@]}"
echo
echo "### Peers, 51 bytes"
echo
of_peers --bench peers --features "$peers" -- "${quick[@]}"
echo
echo "### Peers, 51 bytes, sealwax over aws-lc"
echo
of_peers --bench peers --features aws-lc -- "${quick[@]}"
echo
echo "### Ciphers"
echo
of_peers --bench tables -- "${quick[@]}"

# The same under different compiler flags: one program for each set, and the programs take turns.
names=() programs=()
build() {
  names+=("$1") programs+=("$(RUSTFLAGS="$2" CARGO_TARGET_DIR="$CARGO_TARGET_DIR/flags-${#names[@]}" \
    cargo bench -p sealwax --locked --bench summary --no-run --message-format=json |
    sed -nE 's/.*"executable":"([^"]*summary-[^"]*)".*/\1/p')")
}
build "none" ""
build "\`-C target-cpu=x86-64-v3\`" "-C target-cpu=x86-64-v3"
build "\`-C target-cpu=native\`" "-C target-cpu=native"
CARGO_PROFILE_BENCH_LTO=fat CARGO_PROFILE_BENCH_CODEGEN_UNITS=1 \
  build "\`lto = \"fat\"\`, \`codegen-units = 1\`" ""
CARGO_PROFILE_BENCH_LTO=fat CARGO_PROFILE_BENCH_CODEGEN_UNITS=1 \
  build "both of the last two" "-C target-cpu=native"
build "\`--cfg poly1305_backend=\"soft\"\`" '--cfg poly1305_backend="soft"'
for _ in 1 2 3; do
  for i in "${!programs[@]}"; do
    "${programs[i]}" flags "${quick[@]}" | sed "s/^/$i /" >>"$work/flags"
  done
done
echo
echo "### Compiler flags, RustCrypto"
echo
echo "Nanoseconds. The last column is the derivation of the payload key and the commitment alone."
echo
echo "| flags | seal 51 B, a256gcm | 64 KiB | c20p | 64 KiB | open 51 B, a256gcm | 64 KiB | c20p | 64 KiB | derivation |"
echo "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|"
for i in "${!names[@]}"; do
  awk -v row="$i" '$1 == row { for (f = 2; f <= NF; f++) if (!(f in min) || $f < min[f]) min[f] = $f; n = NF }
    END { for (f = 2; f <= n; f++) printf " %d |", min[f]; print "" }' "$work/flags" | sed "s#^#| ${names[i]} |#"
done

# What a program pays for a dependency: crates, the time of a clean release build, and size.
footprint() {
  local name=$1 dependency=$2 main=$3 folder="$work/probe" start
  mkdir -p "$folder/src"
  printf '[package]\nname = "probe"\nversion = "0.0.0"\nedition = "2024"\n[workspace]\n[profile.release]\nstrip = true\n[dependencies]\n%s\n' \
    "$dependency" >"$folder/Cargo.toml"
  printf '%s\n' "$main" >"$folder/src/main.rs"
  cp benches/peers/Cargo.lock "$folder/Cargo.lock"
  cargo fetch --manifest-path "$folder/Cargo.toml"
  start=$SECONDS
  cargo build --release --offline --manifest-path "$folder/Cargo.toml" --target-dir "$folder/target"
  local took=$((SECONDS - start)) size crates
  size=$(stat -c %s "$folder/target/release/probe")
  crates=$(cargo tree --offline --manifest-path "$folder/Cargo.toml" -e normal,build --prefix none --no-dedupe |
    sed 's/ (.*//' | sort -u | grep -vc '^probe ' || true)
  empty=${empty:-$size}
  echo "| $name | $crates | $took s | $(((size - empty) / 1024)) KiB |"
  rm -r "$folder"
}
echo
echo "### What a program pays"
echo
echo "Crates, including those that only build; a clean release build on all cores; size beyond an empty program, both stripped."
echo
echo "| | crates | build | size |"
echo "|---|--:|--:|--:|"
footprint "an empty program" "" 'fn main() { println!("{}", std::env::args().count()); }'
uses='use sealwax::*;
fn main() {
    let context = EncryptionContext::new([("tenant", "acme")]).unwrap();
    let keyring: Keyring = std::env::args().nth(1).unwrap().parse().unwrap();
    let envelope = keyring.seal(&Secret::from("s3cret"), &context).unwrap();
    let envelope: Envelope = envelope.to_string().parse().unwrap();
    println!("{}", keyring.open(&envelope, &context).unwrap().len());
}'
footprint "sealwax" "sealwax = { path = \"$PWD\" }" "$uses"
footprint "sealwax, feature \`aws-lc\`" "sealwax = { path = \"$PWD\", features = [\"aws-lc\"] }" "$uses"
footprint "by hand: aes-gcm, hex, getrandom" 'aes-gcm = "0.11"
hex = "0.4"
getrandom = "0.4"' 'use aes_gcm::aead::{Aead, KeyInit};
fn main() {
    let cipher = aes_gcm::Aes256Gcm::new_from_slice(&hex::decode(std::env::args().nth(1).unwrap()).unwrap()).unwrap();
    let mut iv = [0; 12];
    getrandom::fill(&mut iv).unwrap();
    let row = cipher.encrypt(&iv.into(), &b"s3cret"[..]).unwrap();
    println!("{} {}", hex::encode(&row), cipher.decrypt(&iv.into(), &row[..]).unwrap().len());
}'
footprint "Tink" 'tink-aead = "0.3"
tink-core = "0.3"' 'fn main() {
    tink_aead::init();
    let handle = tink_core::keyset::Handle::new(&tink_aead::aes256_gcm_key_template()).unwrap();
    let aead = tink_aead::new(&handle).unwrap();
    let row = aead.encrypt(b"s3cret", b"acme").unwrap();
    println!("{}", aead.decrypt(&row, b"acme").unwrap().len());
}'
footprint "age" 'age = { version = "0.12", default-features = false }' 'fn main() {
    let identity = age::x25519::Identity::generate();
    let row = age::encrypt(&identity.to_public(), b"s3cret").unwrap();
    println!("{}", age::decrypt(&identity, &row).unwrap().len());
}'
if [ ${#quick[@]} != 0 ]; then cat "$work/page" >&3; else mv "$work/page" "$page"; fi
