#!/usr/bin/env bash
# Installs the build to a temporary folder and builds and runs the ten-line consumer against it; or, with
# "subdirectory", builds the consumer with kappa as a subdirectory.
# usage: install_test.sh find_package BUILD_DIR | subdirectory SOURCE_DIR BUILD_DIR
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
case $1 in
  find_package)
    cmake --install "$2" --prefix "$scratch/prefix" >/dev/null
    cmake -S "$here/consumer" -B "$scratch/build" -DCMAKE_PREFIX_PATH="$scratch/prefix" >/dev/null
    ;;
  subdirectory)
    launcher=()
    command -v ccache >/dev/null && launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
    cmake -S "$here/consumer" -B "$scratch/build" -DKAPPA_SOURCE="$2" "${launcher[@]}" >/dev/null
    ;;
esac
cmake --build "$scratch/build" -j "$(nproc)" >"$scratch/log" 2>&1 || { cat "$scratch/log"; exit 1; }
"$scratch/build/consumer"
echo "consumer by $1: ok"
