# What every part of CI starts with: `source ci/setup.sh`, at the root.
# shellcheck shell=bash

export CARGO_TERM_COLOR=never CARGO_INCREMENTAL=0 RUST_BACKTRACE=1
# One place for what is built, also for the workspaces of their own.
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}"
# Nobody debugs here. And what runs at build time is then the same for `cargo test`, `clippy` and `doc`, so that AWS-LC
# is built once for all of them: by itself, cargo takes the debug information away in some of them and not in others.
export CARGO_PROFILE_DEV_DEBUG=0
# As in the root's Cargo.toml, so that the workspaces of their own find what it has built.
export CARGO_PROFILE_DEV_OPT_LEVEL=1

# Packages in workspaces of their own.
alone="fuzz assurance/no_std assurance/residue assurance/residue/without_wiping assurance/constant_time benches/peers"

step() { printf '\n== %s (%ss)\n' "$*" "$SECONDS"; }

# Says which checks are left out, here and at the end of .ci/run. A machine that has to run them all sets
# SEALWAX_REQUIRE_ALL, and fails.
leave_out() {
  printf 'left out: %s\n' "$@" | tee -a "${SEALWAX_LEFT_OUT:-/dev/null}"
  if [ -n "${SEALWAX_REQUIRE_ALL:-}" ]; then exit 1; fi
}

# Runs a check that ends with 3 where it cannot be run on this machine.
or_left_out() {
  local what=$1 status=0
  "${@:2}" || status=$?
  case $status in 0) ;; 3) leave_out "$what: see above" ;; *) exit "$status" ;; esac
}

has_python() { python3 -c 'import cryptography' 2>/dev/null; }
if { command -v node >/dev/null && has_python; } || [ -n "${SEALWAX_REQUIRE_ALL:-}" ]; then export SEALWAX_REQUIRE_INTEROP=1; fi
