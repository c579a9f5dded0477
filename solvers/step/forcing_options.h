// The options that the conjugate-gradient solvers have in common, by name. A solver with other defaults than
// NewtonForcing's keeps a struct of its own.
#pragma once

#include <array>

#include "core/option_checks.h"
#include "kappa/options.h"
#include "solvers/step/conjugate_gradient.h"

namespace kappa::detail {

struct NewtonForcing {
  double forcing_cap = 0.5;      // Nocedal & Wright 2006, alg. 7.1
  double forcing_power = 0.5;    // Nocedal & Wright 2006, alg. 7.1: superlinear
  double forcing_floor = 1e-10;  // beyond what a residual in double precision can tell apart
  Index max_iterations = 0;      // 0: the size, finite termination in exact arithmetic
};

template <class S>
constexpr std::array<Field<S>, 4> forcing_fields(const char* source) {
  return {{
      {"forcing_cap", &S::forcing_cap, source,
       "largest relative residual at which an inner solve may stop, in (0, 1)"},
      {"forcing_power", &S::forcing_power, source,
       "the relative residual asked for is |g|^power, at most the cap; 0 keeps the cap, 1/2 is superlinear, "
       "1 quadratic"},
      {"forcing_floor", &S::forcing_floor, "rounding of residuals in double precision",
       "smallest relative residual ever asked for, in (0, 1)"},
      {"max_iterations", &S::max_iterations, "finite termination of conjugate gradients",
       "inner iterations per solve; 0 means the number of variables"},
  }};
}

inline constexpr std::array<Field<NewtonForcing>, 4> newton_forcing_fields =
    forcing_fields<NewtonForcing>("Nocedal & Wright 2006, alg. 7.1");

/// The checked values. Throws Error.
template <class S>
Forcing forcing(std::string_view part, const S& options) {
  require_option(options.forcing_cap > 0 && options.forcing_cap < 1, part, "forcing_cap", options.forcing_cap,
                 "it must lie between 0 and 1");
  require_option(options.forcing_power >= 0 && options.forcing_power <= 2, part, "forcing_power",
                 options.forcing_power, "it must lie between 0 and 2");
  require_option(options.forcing_floor > 0 && options.forcing_floor < 1, part, "forcing_floor",
                 options.forcing_floor, "it must lie between 0 and 1");
  require_option(options.max_iterations >= 0, part, "max_iterations",
                 static_cast<std::int64_t>(options.max_iterations), "it must not be negative");
  return {.cap = options.forcing_cap,
          .power = options.forcing_power,
          .floor = options.forcing_floor,
          .max_iterations = options.max_iterations};
}

}  // namespace kappa::detail
