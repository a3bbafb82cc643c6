#!/usr/bin/env bash
# Rehearses a release up to the upload: ci/release.sh. It works in a clone of the commit, in the target directory.
#
# Packages every crate of the workspace, builds each from its package alone, and checks what the package contains.
set -euo pipefail
cd "$(dirname "$0")/.."
source ci/setup.sh

copy=$CARGO_TARGET_DIR/rehearsal
[ -z "$(git status --porcelain)" ] || echo "this checks the last commit, without the changes that are not committed"
rm -rf "$copy"
git clone -q . "$copy"
cd "$copy"

step "each crate builds from its package"
# Cargo builds them from a registry in the target directory, and takes what it unpacked or built from there before for
# the same, because the versions are.
rm -rf -- "${CARGO_HOME:-$HOME/.cargo}"/registry/{src,cache,index}/-*
rm -rf -- "$CARGO_TARGET_DIR"/debug/.fingerprint/{sealwax,byok-vault}-*
cargo package --workspace --locked

step "each package is complete"
packages=$CARGO_TARGET_DIR/package
packed=0
for manifest in Cargo.toml crates/*/Cargo.toml; do
  # Workspaces of their own, which can only be packaged when the library is on crates.io.
  case $manifest in crates/sealwax-aws-kms/* | crates/sealwax-sqlx/*) continue ;; esac
  name=$(sed -n '/^\[package\]/,/^\[/ s/^name = "\(.*\)"/\1/p' "$manifest")
  version=$(sed -n '/^\[workspace.package\]/,/^\[/ s/^version = "\(.*\)"/\1/p' Cargo.toml)
  files=$(tar tzf "$packages/$name-$version.crate")
  for file in LICENSE-APACHE LICENSE-MIT README.md Cargo.toml; do
    grep -qx "$name-$version/$file" <<<"$files" || { echo "$name: no $file" >&2; exit 1; }
  done
  # Files that belong only to the repository, and tests that run only there.
  if grep -E '/(assurance|ci|fuzz|target)/|/tests/(corpora|repository|architecture)|\.sh$' <<<"$files"; then
    echo "$name: these files must not be in the package" >&2
    exit 1
  fi
  # Tests that need a file above their package: a path with more `..` than it is deep, or with one after the root's.
  rm -rf unpacked && mkdir unpacked && tar xzf "$packages/$name-$version.crate" -C unpacked
  above=$(cd "unpacked/$name-$version" && for file in $(grep -x "$name-$version/tests/.*\.rs" <<<"$files" | cut -d/ -f2-); do
    up=$(dirname "$file" | sed 's|[^/]\+|[.][.]|g')
    grep -HnE "(path = |include[a-z_]*!\()\"$up/[.][.]/|CARGO_MANIFEST_DIR.*\"/?[.][.]/" "$file" || true
  done)
  [ -z "$above" ] || { echo "$name: these tests need files above the package:"; echo "$above"; exit 1; } >&2
  echo "$name $version: $(wc -l <<<"$files") files, $(stat -c %s "$packages/$name-$version.crate") bytes"
  packed=$((packed + 1))
done
[ "$packed" -ge 12 ]
grep -qx "sealwax-$version/src/docs/format.md" < <(tar tzf "$packages/sealwax-$version.crate")

step "publish in this order"
cargo publish --workspace --dry-run --no-verify --locked 2>"$copy/order" || { cat "$copy/order" >&2; exit 1; }
grep '^ *Uploading ' "$copy/order"
