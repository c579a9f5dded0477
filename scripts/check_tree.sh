#!/usr/bin/env bash
# Checks the tree itself: formatting (where clang-format is installed), includes against the arrows of
# docs/architecture.md, and words that have no place in it.
set -euo pipefail
cd "$(dirname "$0")/.."
bad=0
complain() {
  printf 'check_tree: %s\n' "$1" >&2
  bad=1
}

mapfile -t sources < <(git ls-files '*.h' '*.hpp' '*.cpp' '*.c')
if command -v clang-format >/dev/null; then
  mapfile -t unformatted < <(clang-format --dry-run "${sources[@]}" 2>&1 | grep -oE '^[a-z_/.]+\.(h|hpp|cpp|c):' | sort -u)
  [ ${#unformatted[@]} -eq 0 ] || complain "not formatted by .clang-format: ${unformatted[*]}"
fi
if grep -nE '#include "solvers/' -r problems; then
  complain "problems must not include solvers"
fi
if grep -nE '#include "problems/' -r solvers; then
  complain "solvers must not include problems"
fi
if grep -nE '#include <(Eigen|tbb|oneapi|ceres)' -r include --include='*.h' | grep -v 'include/kappa/eigen.h'; then
  complain "only include/kappa/eigen.h may include Eigen, and no public header oneTBB or Ceres"
fi
if grep -nE '#include <ceres' -r solvers problems core tools; then
  complain "only bench and adapters see Ceres"
fi
if grep -nE '#include <cholmod|kappa/cholmod' -r solvers problems core tools; then
  complain "only adapters, bench and its plugin see CHOLMOD, whose licence is another"
fi
if git grep -nIE '\b(TO''DO|FIX''ME)\b' -- . ; then
  complain "finish it or leave it out"
fi
[ "$bad" -eq 0 ] && echo "check_tree: the tree is clean"
exit "$bad"
