#!/usr/bin/env bash
# Builds the library and the crates without std for WebAssembly and for bare metal, and seals and opens in Node:
# assurance/no_std/run.sh
#
# Both targets need a compiler with the sources of `core`, because their compiled libraries are not installed: Debian's
# packages rustc-web, rust-web-src and lld, or the compiler that RUSTC names. Exits with 3 if something is missing.
set -euo pipefail
cd "$(dirname "$0")"

rustc=${RUSTC:-/usr/bin/rustc}
sources() { echo "$("$rustc" --print sysroot 2>/dev/null)/lib/rustlib/src/rust/library/core"; }
missing=()
[ -d "$(sources)" ] || missing+=("a compiler with its library's sources (rustc-web, rust-web-src)")
supported=$(sed -n 's/^rust-version = "1\.\(.*\)"/\1/p' ../../Cargo.toml)
version=$("$rustc" --version 2>/dev/null | sed 's/^rustc 1\.\([0-9]*\).*/\1/' || true)
[ "${version:-0}" -ge "$supported" ] || missing+=("a compiler that is new enough")
command -v wasm-ld >/dev/null || missing+=("wasm-ld (lld)")
command -v node >/dev/null || missing+=("node")
if [ ${#missing[@]} != 0 ]; then printf 'skipped: needs %s\n' "${missing[@]}"; exit 3; fi

built=${CARGO_TARGET_DIR:-$PWD/target}
# Not optimised, because it is run for a moment only. RUSTC_BOOTSTRAP lets a stable compiler accept `-Zbuild-std`.
build() { CARGO_PROFILE_DEV_OPT_LEVEL=0 RUSTC=$rustc RUSTC_BOOTSTRAP=1 cargo rustc -q --locked -Zbuild-std=core,alloc --target "$@"; }

build thumbv7em-none-eabi --crate-type staticlib
echo "thumbv7em-none-eabi: $(stat -c %s "$built/thumbv7em-none-eabi/debug/libno_std.a") bytes, not run"

build wasm32-unknown-unknown --crate-type cdylib --config 'target.wasm32-unknown-unknown.linker="wasm-ld"'
node run.mjs "$built/wasm32-unknown-unknown/debug/no_std.wasm"
