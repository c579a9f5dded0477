#!/usr/bin/env bash
# docs_test.sh PAGE KAPPA SOURCE: runs the fenced blocks of a page, in order, in one temporary folder.
#
#   ```cpp, ```c   written to the file that the first line names in a comment
#   ```sh          run with bash -e; $KAPPA_INCLUDE and $KAPPA_SOURCE are set, and `kappa` is the program KAPPA
#
# Ends with 77, skipped, where the program has no command `plugin`. Other blocks are not run. A block without a language fails, so that none is left out by mistake.
set -euo pipefail
page=$(realpath "$1")
program=$(realpath "$2")
KAPPA_SOURCE=$(realpath "$3")
KAPPA_INCLUDE=$KAPPA_SOURCE/include
export KAPPA_SOURCE KAPPA_INCLUDE
"$program" plugin --help >/dev/null 2>&1 || exit 77
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/bin" "$folder/work"
ln -s "$program" "$folder/bin/kappa"
export PATH="$folder/bin:$PATH"

awk -v out="$folder/block" '
  /^```/ && !inside { inside = 1; ++count; name = sprintf("%s.%03d.%s", out, count, substr($0, 4)); printf "" > name; next }
  /^```/ && inside  { inside = 0; close(name); next }
  inside            { print > name }' "$page"

cd "$folder/work"
count=0
for block in "$folder"/block.*; do
  case $block in
    *.cpp | *.c)
      name=$(head -n 1 "$block" | sed -nE 's,^(//|/\*) ([A-Za-z0-9_.]+).*,\2,p')
      [ -n "$name" ] || { echo "docs_test: $(basename "$block") names no file in its first line" >&2; exit 1; }
      cp "$block" "$name"
      ;;
    *.sh)
      echo "--- $(basename "$block")"
      cat "$block"
      bash -e -o pipefail "$block"
      ;;
    *.)
      echo "docs_test: $(basename "$block") has no language" >&2
      exit 1
      ;;
  esac
  count=$((count + 1))
done
[ "$count" -gt 0 ] || { echo "docs_test: $page has no blocks" >&2; exit 1; }
echo "docs_test: $count blocks of $(basename "$page") hold"
