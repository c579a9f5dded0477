// The step solver `cholmod`: the target kappa::cholmod, for programs that link SuiteSparse's CHOLMOD.
//
//   kappa::register_cholmod();
//   const kappa::Result result = kappa::minimize(problem, x0, kappa::levenberg_marquardt({.step =
//   {"cholmod"}}));
//
// It solves the damped block-sparse system (B + lambda W) d = -g as a whole by CHOLMOD's sparse Cholesky
// factorization, supernodal where that pays (CHOLMOD's own rule, or option `factor`). The structure is
// analysed once; each damping costs a numeric factorization. It is there to compare with, and for users who
// trust CHOLMOD; kappa's own step `block-cholesky` does the same without it, and `auto` never picks
// `cholmod`.
//
// Bits, threads and allocations inside are those of CHOLMOD and its BLAS: kappa's promises of the same bits
// for every number of threads and of no allocation in the loop end here. A stop or a deadline is honoured
// between factorizations, not within.
//
// Licence: CHOLMOD's supernodal module is under the GPL (2 or later), the rest under the LGPL (2.1 or later).
// kappa's libraries and the program `kappa` therefore do not link it; this target and kappa-bench do.
#pragma once

namespace kappa {

/// Adds step `cholmod` to kappa::registry(). Further calls do nothing. Thread-safe.
void register_cholmod();

}  // namespace kappa
