# Sourced by ./run and ./test: installs what is missing on Debian or Ubuntu and configures a build.
# Functions: say, need_packages NAME..., build PRESET TARGET...

say() { printf '==> %s\n' "$*"; }
fail() { printf 'kappa: %s\n' "$*" >&2; exit 1; }

kappa_packages=(g++ cmake ninja-build libeigen3-dev libtbb-dev libxsimd-dev zlib1g-dev libceres-dev liblinear-dev catch2 libcli11-dev nlohmann-json3-dev)

# Installs the packages that dpkg does not know as installed. Says what it installs; does nothing otherwise.
need_packages() {
  command -v dpkg-query >/dev/null || {
    say "this is no Debian system: please provide ${*}"
    return 0
  }
  local missing=() package
  for package in "$@"; do
    dpkg-query -W -f='${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || fail "these packages are missing: ${missing[*]}; install them as root (apt-get install ${missing[*]}) and run this again"
    as_root=(sudo)
  fi
  say "installing ${missing[*]}"
  local log
  log=$(mktemp)
  if ! { "${as_root[@]}" apt-get update && "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    rm -f "$log"
    fail "apt-get could not install ${missing[*]}"
  fi
  rm -f "$log"
}

# build PRESET [TARGET...]: configures once, then builds what changed.
build() {
  local preset=$1
  shift
  local launcher=()
  command -v ccache >/dev/null && launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache -DCMAKE_C_COMPILER_LAUNCHER=ccache)
  say "configuring build/$preset"
  cmake --preset "$preset" "${launcher[@]}" >/dev/null || fail "cmake could not configure preset $preset"
  say "building build/$preset"
  local targets=()
  [ $# -gt 0 ] && targets=(--target "$@")
  cmake --build --preset "$preset" -j "$(nproc)" "${targets[@]}" || fail "the build of preset $preset failed"
}
