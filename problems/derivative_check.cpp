// check_derivatives: what a problem says its derivatives are, against finite differences.
//
// Central differences D(h) at h = 0.1 max(1, |x|) 2^-i are extrapolated to h = 0 in windows of ten steps:
// large steps suit smooth functions, small ones those with a scale of their own, and variables that are tiny.
// The error estimate of an extrapolation is Ridders', but at least the rounding of the smallest step in it;
// the window with the smallest relative error wins. Cost: 32 to about 100 evaluations for each variable.
//
// Up to 500 variables the gradient and the Hessian are compared entry by entry; beyond, along ten random
// directions. A Jacobian is always compared entry by entry, block by block. A Hessian that is itself made of
// differences of what has been compared is left out.
//
// Reference: Ridders: Accurate computation of F'(x) and F'(x)F''(x). Advances in Engineering Software 4
// (1982).
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "kappa/derivatives.h"
#include "kappa/function.h"
#include "kappa/random.h"
#include "problems/residual/residual_structure.h"

namespace kappa {
namespace {

using detail::at;

constexpr int levels = 64;
constexpr int window = 10;
constexpr Index entry_by_entry = 500;
constexpr Index random_directions = 10;

struct Difference {
  double value = 0;
  double error = infinity;

  bool reliable() const { return error <= 1e-2 * std::fabs(value); }
  /// Flat stretches far away agree with themselves about a derivative of nothing, hence the relative error;
  /// which says nothing of a derivative that is zero.
  bool better_than(const Difference& other) const {
    if (reliable() && other.reliable()) {
      return error * std::fabs(other.value) < other.error * std::fabs(value);
    }
    return reliable() != other.reliable() ? reliable() : error < other.error;
  }
};

/// Central differences of one output at falling steps, and what rounding may make of each.
struct Quotients {
  std::array<double, levels> value;
  std::array<double, levels> rounding;

  /// A window from `first` on, extrapolated. Steps to outside the domain are NaN and lose every comparison.
  Difference extrapolated(int first) const {
    Difference best;
    std::array<std::array<double, window>, window> table;
    for (int i = 0; i < window; ++i) {
      auto& row = table[at(i)];
      row[0] = value[at(first + i)];
      double power = 4;
      for (int j = 1; j <= i; ++j, power *= 4) {
        const double left = row[at(j - 1)];
        const double above = table[at(i - 1)][at(j - 1)];
        row[at(j)] = left + (left - above) / (power - 1);
        const double spread = std::fmax(std::fabs(row[at(j)] - left), std::fabs(row[at(j)] - above));
        const Difference candidate{row[at(j)], std::fmax(spread, rounding[at(first + i)])};
        if (std::isfinite(spread) && candidate.better_than(best)) {
          best = candidate;
        }
      }
    }
    return best;
  }
};

/// Derivatives along one variable of a function with several outputs.
class Differences {
 public:
  /// function(t, out) is the function where the variable is x + t; it returns false outside the domain.
  template <class Function>
  std::span<const Difference> operator()(std::size_t outputs, double x, const Function& function) {
    best_.assign(outputs, {});
    quotients_.resize(outputs);
    above_.resize(outputs);
    below_.resize(outputs);
    const double size = std::fabs(x);
    int evaluated = 0;
    double h = 0.1 * std::fmax(1.0, size);
    for (int first = 0; first + window <= levels; first += window - 4) {
      for (; evaluated < first + window; ++evaluated, h /= 2) {
        difference(evaluated, h, size, function);
      }
      bool settled = true;
      for (std::size_t k = 0; k < outputs; ++k) {
        const Difference candidate = quotients_[k].extrapolated(first);
        if (candidate.better_than(best_[k])) {
          best_[k] = candidate;
        }
        settled = settled && best_[k].error <= 1e-10 * std::fmax(1.0, std::fabs(best_[k].value));
      }
      const bool fine = h < 1e-4 * std::fmax(1.0, size) && (size == 0 || h < 1e-2 * size);
      const bool finest = h < 1e-9 * std::fmax(1.0, size) && (size == 0 || h < 1e-4 * size);
      if (finest || (fine && settled)) {
        break;
      }
    }
    return best_;
  }

 private:
  template <class Function>
  void difference(int level, double h, double size, const Function& function) {
    const bool inside = function(h, VectorRef(above_)) && function(-h, VectorRef(below_));
    for (std::size_t k = 0; k < quotients_.size(); ++k) {
      const double quotient = inside ? (above_[k] - below_[k]) / (2 * h) : std::nan("");
      const double largest = std::fmax(std::fabs(above_[k]), std::fabs(below_[k]));
      quotients_[k].value[at(level)] = quotient;
      quotients_[k].rounding[at(level)] = epsilon * (largest + std::fabs(quotient) * size) / h;
    }
  }

  std::vector<Difference> best_;
  std::vector<Quotients> quotients_;
  std::vector<double> above_, below_;
};

class Comparison {
 public:
  explicit Comparison(double tolerance) : tolerance_(tolerance) {}

  /// `where()` is called only for a mismatch.
  template <class Where>
  void compare(double given, const Difference& difference, const Where& where) {
    ++check_.compared;
    const double gap = std::fabs(given - difference.value);
    const bool fails = gap > tolerance_ * std::fmax(1.0, std::fabs(given)) && gap > 10 * difference.error;
    if (fails || !std::isfinite(given)) {
      check_.mismatches.push_back({where(), given, difference.value, difference.error});
    }
  }

  DerivativeCheck result() {
    std::stable_sort(check_.mismatches.begin(), check_.mismatches.end(),
                     [](const DerivativeMismatch& a, const DerivativeMismatch& b) {
                       return std::fabs(a.given - a.difference) > std::fabs(b.given - b.difference);
                     });
    return std::move(check_);
  }

 private:
  double tolerance_;
  DerivativeCheck check_;
};

/// Each block's Jacobian, entry by entry.
void compare_jacobians(const ResidualProblem& problem, ConstVectorRef x, Comparison& comparison) {
  const ResidualProblem::Impl& impl = problem.impl();
  const detail::Layout& layout = impl.layout();
  Differences differences;
  for (Index global = 0; global < problem.residual_blocks(); ++global) {
    const detail::Address address = impl.blocks[at(global)];
    const detail::Family& family = impl.families[at(address.family)];
    const Index b = address.local;
    std::vector<double> r(at(family.residuals));
    std::vector<double> J(at(family.residuals * family.columns));
    std::vector<const double*> pointers(at(family.slots));
    impl.point_at(
        layout, family, 1, [b](Index) { return b; }, x.data(), pointers.data());
    if (family.terms->jacobians({b, 1, pointers.data()}, r.data(), J.data()) >= 0) {
      throw Error("check_derivatives: " + impl.name(ResidualBlock{global}) +
                  " cannot be evaluated at this x");
    }
    for (int s = 0; s < family.slots; ++s) {
      const ParameterBlock parameter{family.blocks_of(b)[s]};
      if (layout.offset[at(parameter.index)] < 0) {
        continue;
      }
      const double* const own = pointers[at(s)];
      std::vector<double> moved(own, own + family.sizes[s]);
      pointers[at(s)] = moved.data();
      for (int i = 0; i < family.sizes[s]; ++i) {
        const auto along = differences(r.size(), own[i], [&](double t, VectorRef out) {
          moved[at(i)] = own[i] + t;
          const bool inside = family.terms->values({b, 1, pointers.data()}, out.data()) < 0;
          moved[at(i)] = own[i];
          return inside;
        });
        for (int k = 0; k < family.residuals; ++k) {
          comparison.compare(J[at(k * family.columns + family.column[at(s)] + i)], along[at(k)], [&] {
            return impl.name(ResidualBlock{global}) + ", residual " + std::to_string(k) +
                   ", parameter block '" + impl.name(parameter) + "', entry " + std::to_string(i);
          });
        }
      }
      pointers[at(s)] = own;
    }
  }
}

/// Directions in the tangent space along which gradient and Hessian are compared: the entries, up to some
/// hundreds, and random ones where those are more, or do not tell enough.
struct Directions {
  Index n;
  enum class Kind : unsigned char { enough, also_random } kind;

  bool entries() const { return n <= entry_by_entry; }
  bool entry(Index i) const { return entries() && i < n; }
  Index count() const {
    const Index random = entries() && kind == Kind::enough ? 0 : random_directions;
    return (entries() ? n : 0) + random;
  }
  void direction(Index i, VectorRef v) const {
    std::fill(v.begin(), v.end(), 0.0);
    if (entry(i)) {
      v[at(i)] = 1;
      return;
    }
    const CounterRandom random(1, static_cast<std::uint64_t>(entries() ? i - n : i));
    for (Index k = 0; k < n; ++k) {
      v[at(k)] = random.normal(static_cast<std::uint64_t>(k));
    }
  }
  std::string name(const Problem& problem, Index i) const {
    return entry(i) ? problem.variable_name(i) : "random direction " + std::to_string(entries() ? i - n : i);
  }
};

double dot(ConstVectorRef a, ConstVectorRef b) {
  double sum = 0;
  for (std::size_t k = 0; k < a.size(); ++k) {
    sum += a[k] * b[k];
  }
  return sum;
}

}  // namespace

std::string DerivativeCheck::text() const {
  std::string out = std::to_string(compared) + " derivatives compared with finite differences, " +
                    std::to_string(mismatches.size()) + " disagree\n";
  const std::size_t shown = std::min<std::size_t>(mismatches.size(), 10);
  for (std::size_t i = 0; i < shown; ++i) {
    const DerivativeMismatch& m = mismatches[i];
    std::array<char, 160> numbers;
    std::snprintf(numbers.data(), numbers.size(), ": given %.10g, difference %.10g +- %.1e\n", m.given,
                  m.difference, m.difference_error);
    out += "  " + m.where + numbers.data();
  }
  if (shown < mismatches.size()) {
    out += "  and " + std::to_string(mismatches.size() - shown) + " more\n";
  }
  return out;
}

DerivativeCheck check_derivatives(const Problem& problem, ConstVectorRef x, double tolerance) {
  expects(static_cast<Index>(x.size()) == problem.dimension(),
          "check_derivatives: x is not dimension() long");
  Comparison comparison(tolerance);
  const auto* residual_problem = dynamic_cast<const ResidualProblem*>(&problem);
  if (residual_problem != nullptr) {
    compare_jacobians(*residual_problem, x, comparison);
  }

  const auto* function = dynamic_cast<const FunctionProblem*>(&problem);
  const bool own_gradient = function == nullptr || function->callbacks().value_and_gradient;
  const bool own_hessian =
      problem.models().contains(Model::exact) &&
      (function != nullptr ? function->callbacks().hessian || function->callbacks().hessian_product
                           : residual_problem == nullptr || problem.notes({Model::exact}).empty());
  const Index n = problem.tangent_dimension();
  const bool flat = residual_problem != nullptr ? residual_problem->flat() : n == problem.dimension();
  Evaluation at_x;
  at_x.reset(x, 0);
  Request request;
  request.want =
      own_hessian ? Want::value | Want::gradient | Want::linearization : Want::value | Want::gradient;
  request.models = own_hessian ? ModelSet{Model::exact} : ModelSet{};
  if (problem.evaluate(request, at_x) != EvalStatus::ok) {
    throw Error("check_derivatives: the problem cannot be evaluated at this x: " + at_x.fault);
  }

  const Directions directions{n, flat ? Directions::Kind::enough : Directions::Kind::also_random};
  std::vector<double> v(at(n));
  std::vector<double> step(at(n));
  std::vector<double> product(at(n));
  std::vector<double> carried(at(n));
  Evaluation trial;
  std::vector<double> moved(x.size());
  const auto evaluate = [&](double t, Want want) {
    std::transform(v.begin(), v.end(), step.begin(), [t](double entry) { return t * entry; });
    problem.retract(x, step, moved);
    trial.reset(moved, 0);
    Request at_trial;
    at_trial.want = want;
    return problem.evaluate(at_trial, trial) == EvalStatus::ok;
  };
  Matrix dense;
  bool has_dense = false;
  if (own_hessian && n <= entry_by_entry) {
    dense = Matrix(n, n);
    has_dense = at_x.linearization->dense(Model::exact, dense);
  }
  Differences differences;
  for (Index i = 0; i < directions.count(); ++i) {
    directions.direction(i, v);
    const double centre = directions.entry(i) && flat ? x[at(i)] : 0.0;
    if (own_gradient) {
      const auto along = differences(1, centre, [&](double t, VectorRef out) {
        const bool inside = evaluate(t, Want::value);
        out[0] = trial.value;
        return inside;
      });
      comparison.compare(dot(at_x.gradient, v), along[0],
                         [&] { return "gradient, " + directions.name(problem, i); });
    }
    if (!own_hessian) {
      continue;
    }
    if (!flat) {
      // Gradients at different points live in different spaces, but slopes can be compared.
      const auto bend = differences(1, centre, [&](double t, VectorRef out) {
        const bool inside = evaluate(t, Want::gradient);
        if (inside) {
          problem.transport(x, step, v, carried);
          out[0] = dot(trial.gradient, carried);
        }
        return inside;
      });
      at_x.linearization->product(Model::exact, v, product);
      const auto where = [&](const char* what) { return what + directions.name(problem, i); };
      comparison.compare(dot(v, product), bend[0], [&] { return where("Hessian product, v'Hv, "); });
      if (has_dense) {
        for (Index k = 0; k < n; ++k) {
          product[at(k)] = dot({dense.values.data() + k * n, at(n)}, v);
        }
        comparison.compare(dot(v, product), bend[0], [&] { return where("Hessian, v'Hv, "); });
      }
      continue;
    }
    const auto along = differences(at(n), centre, [&](double t, VectorRef out) {
      const bool inside = evaluate(t, Want::gradient);
      if (inside) {
        std::copy(trial.gradient.begin(), trial.gradient.end(), out.begin());
      }
      return inside;
    });
    at_x.linearization->product(Model::exact, v, product);
    for (Index k = 0; k < n; ++k) {
      const auto where = [&](const char* what) {
        return what + directions.name(problem, i) + ", " + problem.variable_name(k);
      };
      comparison.compare(product[at(k)], along[at(k)], [&] { return where("Hessian product, "); });
      if (has_dense) {
        comparison.compare(dense(k, i), along[at(k)], [&] { return where("Hessian, "); });
      }
    }
  }
  return comparison.result();
}

}  // namespace kappa
