#!/usr/bin/env bash
# Fetches two kinds of test data out of the source package of ceres-solver, as the distribution ships it:
#
#   DEST/nist/*.dat                    the 27 nonlinear regression problems of NIST's StRD
#   DEST/problem-16-22106-pre.txt      a bundle-adjustment problem (16 cameras, 22106 points)
#
#   usage: fetch_ceres_data.sh DEST
#
# The machine's own package sources say where to download from, asked for sources instead of binaries. The
# machine's package state is left alone, so an ordinary user may run this. What is already in DEST is reused.
# Needs apt-get, tar and xz, and a network for the first run.
set -euo pipefail

readonly package=ceres-solver
readonly bundle=problem-16-22106-pre.txt
readonly nist_files=27

fail() {
  echo "fetch_ceres_data: $*" >&2
  exit 1
}

# True if folder $1 holds everything, no file empty.
complete() {
  local found
  [[ -s $1/$bundle && -d $1/nist ]] || return 1
  found=$(find "$1/nist" -maxdepth 1 -name '*.dat' -size +0 | wc -l)
  ((found == nist_files))
}

# Writes the machine's package sources into folder $1, each asking for sources: one-line lists and deb822
# stanzas, each under its own name, since apt tells the formats apart by the ending.
derive_sources() {
  local list
  for list in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
    [[ -r $list ]] || continue
    sed -nE '/cdrom:/d; s/^[[:space:]]*deb(-src)?([[:space:]])/deb-src\2/p' "$list" |
      sort -u > "$1/$(basename "$list")"
  done
  for list in /etc/apt/sources.list.d/*.sources; do
    [[ -r $list ]] || continue
    sed -E 's/^[Tt]ypes:.*/Types: deb-src/' "$list" > "$1/$(basename "$list")"
  done
  grep -qrE '^(deb-src[[:space:]]|Types: deb-src)' "$1"
}

[[ $# -eq 1 && -n $1 && $1 != -* ]] || fail "usage: fetch_ceres_data.sh DEST"
mkdir -p "$1" 2> /dev/null || fail "cannot create the folder $1."
dest=$(cd "$1" && pwd)

if complete "$dest"; then
  echo "fetch_ceres_data: $dest already holds $nist_files NIST files and $bundle; nothing to do."
  exit 0
fi

for tool in apt-get tar xz; do
  command -v "$tool" > /dev/null || fail "needs $tool, which is not installed."
done

echo "fetch_ceres_data: downloading the source of $package with apt, to unpack its NIST files and $bundle into $dest"

scratch=$(mktemp -d)
staging=
trap 'rm -rf "$scratch" ${staging:+"$staging"}' EXIT
staging=$(mktemp -d "$dest/.fetch.XXXXXX") || fail "cannot write to $dest."

mkdir -p "$scratch"/{sources.d,state/lists/partial,cache/archives/partial,download}
# As root, apt downloads as the user _apt, who has to get through here and write.
chmod 755 "$scratch"
if [[ $(id -u) -eq 0 ]] && id _apt > /dev/null 2>&1; then
  chown _apt "$scratch/download" "$scratch/state/lists/partial" "$scratch/cache/archives/partial"
fi

derive_sources "$scratch/sources.d" || fail "found no package source in /etc/apt to download from."

apt=(apt-get -q
  -o Dir::Etc::sourcelist=/dev/null
  -o "Dir::Etc::sourceparts=$scratch/sources.d"
  -o "Dir::State=$scratch/state"
  -o "Dir::Cache=$scratch/cache"
  -o Acquire::Retries=2
  -o Acquire::Languages=none)

# A source that has no index, or does not answer, is no reason to stop as long as another one has the package.
"${apt[@]}" update > "$scratch/log" 2>&1 || true
(cd "$scratch/download" && "${apt[@]}" source --download-only --only-source "$package" >> "$scratch/log" 2>&1) || {
  # What apt says last is often only a consequence of an index it could not fetch.
  reason=$(grep -m 1 -E '^[EW]: Failed to fetch' "$scratch/log" || grep -E '^E:' "$scratch/log" | tail -n 1 || true)
  fail "could not download the source package $package (is there a network?); apt said: ${reason:-nothing}"
}

tarball=$(find "$scratch/download" -name "${package}_*.orig.tar.*" ! -name '*.asc' | head -n 1)
[[ -n $tarball ]] || fail "the source package $package came without an upstream tarball."
tar -xf "$tarball" -C "$staging" --no-same-owner --strip-components=2 --wildcards \
  '*/data/nist/*.dat' "*/data/$bundle" 2>> "$scratch/log" ||
  fail "$(basename "$tarball") does not hold data/nist/*.dat and data/$bundle."
complete "$staging" || fail "$(basename "$tarball") does not hold $nist_files NIST files and $bundle."

mkdir -p "$dest/nist"
mv -f "$staging"/nist/*.dat "$dest/nist/"
mv -f "$staging/$bundle" "$dest/"
echo "fetch_ceres_data: $dest now holds $nist_files NIST files and $bundle."
