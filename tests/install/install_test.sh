#!/usr/bin/env bash
# Installs the build to a temporary folder and builds and runs the ten-line consumer against it; or, with
# "subdirectory", builds the consumer with kappa as a subdirectory, and the examples for this machine's processor
# against that library, which has no vector flags (tests/flags has the opposite).
# With "plugin": the program writes plugin projects, which are built against the installed kappa, checked and used.
# usage: install_test.sh find_package BUILD_DIR | plugin BUILD_DIR | subdirectory SOURCE_DIR
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
if [ "$1" = plugin ]; then
  cmake --install "$2" --prefix "$scratch/prefix" >/dev/null
  kappa=$scratch/prefix/bin/kappa
  cd "$scratch"
  umask 022
  for project in "mine c++" "plain c"; do
    set -- $project
    "$kappa" plugin new "$1" --language "$2" >/dev/null
    cmake -S "$1" -B "$1/build" -DCMAKE_PREFIX_PATH="$scratch/prefix" >log
    cmake --build "$1/build" >log 2>&1 || { cat log; exit 1; }
    ! grep -i warning log
    ctest --test-dir "$1/build" --output-on-failure >log || { cat log; exit 1; }
    grep -q "100% tests passed, 0 tests failed out of 2" log
    "$kappa" solve nist:Misra1a --plugin "$1/build/$1.so" --curvature "$1" --step damped-cholesky >/dev/null
    echo "plugin project in $2: ok"
  done
  exit
fi
case $1 in
  find_package)
    cmake --install "$2" --prefix "$scratch/prefix" >/dev/null
    cmake -S "$here/consumer" -B "$scratch/build" -DCMAKE_PREFIX_PATH="$scratch/prefix" >/dev/null
    ;;
  subdirectory)
    launcher=()
    command -v ccache >/dev/null && launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
    native=OFF
    "${CXX:-c++}" -march=native -E -x c++ /dev/null >/dev/null 2>&1 && native=ON
    cmake -S "$here/consumer" -B "$scratch/build" -G Ninja -DKAPPA_SOURCE="$2" -DCONSUMER_NATIVE="$native" "${launcher[@]}" >/dev/null
    ;;
esac
cmake --build "$scratch/build" -j "$(nproc)" >"$scratch/log" 2>&1 || { cat "$scratch/log"; exit 1; }
"$scratch/build/consumer"
for program in "$scratch"/build/native/*; do
  [ -x "$program" ] || continue
  "$program" >"$scratch/log" 2>&1 || { cat "$scratch/log"; echo "failed: $(basename "$program")"; exit 1; }
done
echo "consumer by $1: ok"
