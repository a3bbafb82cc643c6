#!/usr/bin/env bash
# Measures what the table in ROTATION.md says: `ci/servers crates/sealwax-sqlx/benches/reach.sh [ROWS]`.
# It takes about 20 minutes, ten gigabytes on disk, and a machine that does nothing else.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo bench --locked --bench reach -- "$@"
# Kills, stops, cuts, restarts and a full disk; each test prints what it did.
SEALWAX_CHAOS=long cargo test --all-features --locked --test database chaos:: -- --nocapture --test-threads 1
