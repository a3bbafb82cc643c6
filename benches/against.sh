#!/usr/bin/env bash
# Compares the times of this tree and of another commit, in one run: `benches/against.sh COMMIT [ROUNDS]`.
# The programs of the two take turns, and the fastest round of each operation counts. 51 bytes, RustCrypto.
set -euo pipefail
cd "$(dirname "$0")/.."

commit=${1:?"usage: $0 COMMIT [ROUNDS]"}
rounds=${2:-15}
folder="$(mktemp -d)"
trap 'git worktree remove --force "$folder/tree" 2>/dev/null; rm -rf "$folder"' EXIT
git worktree add --quiet --detach "$folder/tree" "$commit"

build() { # arguments: the tree, the target directory
  cargo bench --quiet --manifest-path "$1/Cargo.toml" --target-dir "$2" -p sealwax --locked --bench instructions \
    --no-run --message-format=json | sed -nE 's/.*"executable":"([^"]*instructions-[^"]*)".*/\1/p'
}
there=$(build "$folder/tree" "$folder/target")
here=$(build . "${CARGO_TARGET_DIR:-target}")

once() { # arguments: program, suite, operation, times; prints the nanoseconds of one
  local start=${EPOCHREALTIME/./}
  "$1" "$2" "$3" "$4"
  echo $((1000 * (${EPOCHREALTIME/./} - start) / $4))
}
echo "| operation | suite | $commit, ns | here, ns | ratio |"
echo "|---|---|--:|--:|--:|"
for verb in seal open verify rewrap; do
  for suite in a256gcm c20p; do
    for ((round = 0; round < rounds; round++)); do
      echo "$(once "$there" "$suite" "$verb" 40000) $(once "$here" "$suite" "$verb" 40000)"
    done | awk -v verb="$verb" -v suite="$suite" '
      NR == 1 || $1 < there { there = $1 }
      NR == 1 || $2 < here { here = $2 }
      END { printf "| %s | %s | %d | %d | %.2f |\n", verb, suite, there, here, here / there }'
  done
done
