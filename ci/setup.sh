# Every part of CI starts with this: `source ci/setup.sh`, at the root.
# shellcheck shell=bash

export CARGO_TERM_COLOR=never CARGO_INCREMENTAL=0 RUST_BACKTRACE=1
# One target directory for everything, including the separate workspaces.
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}"
# Nobody debugs here. It also makes build scripts the same for `cargo test`, `clippy` and `doc`, so that AWS-LC is built
# only once: by default, cargo strips the debug information in some of them and not in others.
export CARGO_PROFILE_DEV_DEBUG=0
# The same as in the root's Cargo.toml, so that the separate workspaces reuse what it has built.
export CARGO_PROFILE_DEV_OPT_LEVEL=1

# Packages that are separate workspaces.
alone="fuzz crates/sealwax-aws-kms crates/sealwax-sqlx assurance/destinations assurance/no_std assurance/sealer assurance/services assurance/residue assurance/residue/without_wiping assurance/constant_time benches/peers examples/byok-gateway"

step() { printf '\n== %s (%ss)\n' "$*" "$SECONDS"; }

# Reports which checks are skipped, here and at the end of .ci/run. On a machine that sets SEALWAX_REQUIRE_ALL, a
# skipped check is a failure.
leave_out() {
  printf 'skipped: %s\n' "$@" | tee -a "${SEALWAX_LEFT_OUT:-/dev/null}"
  if [ -n "${SEALWAX_REQUIRE_ALL:-}" ]; then exit 1; fi
}

# Runs a check that exits with 3 if it cannot run on this machine.
or_left_out() {
  local what=$1 status=0
  "${@:2}" || status=$?
  case $status in 0) ;; 3) leave_out "$what: see above" ;; *) exit "$status" ;; esac
}

# The minimum Rust version, as rustup names its toolchain.
msrv=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)

toolchains=$(rustup toolchain list 2>/dev/null || true)

# Version 47 or newer, which has ML-KEM.
has_python() { python3 -c 'import cryptography.hazmat.primitives.asymmetric.mlkem' 2>/dev/null; }
if { command -v node >/dev/null && has_python; } || [ -n "${SEALWAX_REQUIRE_ALL:-}" ]; then export SEALWAX_REQUIRE_INTEROP=1; fi

# A small file system to fill, which only the processes of a test see.
can_mount() { unshare --user --map-root-user --mount mount -t tmpfs -o size=3m full /tmp 2>/dev/null; }
if can_mount || [ -n "${SEALWAX_REQUIRE_ALL:-}" ]; then export SEALWAX_REQUIRE_FULL_DISK=1; fi
