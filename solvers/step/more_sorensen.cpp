// The exact trust-region step: minimise g'd + d'Bd/2 over |d|_W <= radius, B definite or not.
//
// d solves it if and only if, for some lambda >= 0 (Moré & Sorensen 1983, lemma 2.1),
//
//     (B + lambda W) d = -g,   B + lambda W positive semidefinite,   lambda (radius - |d|_W) = 0.
//
// Use it for dense problems up to a few hundred variables, and for diagonal B of any size (then O(n) per
// solve): the only step that makes full use of negative curvature. With g = 0 and B indefinite it moves along
// an eigenvector of the smallest eigenvalue.
//
// Variables are scaled by sqrt(w_i), then B and g each by a power of two, so that nothing depends on units.
// A Newton step inside the radius is taken after one Cholesky factorization. Otherwise
// - up to eigen_limit variables: one eigenvalue decomposition for all radii of a point; then the secular
//   equation 1 / |d(lambda)| = 1 / radius is solved in O(n) per iteration by Newton's method for
//   mu = lambda + lambda_min, from the side where it converges monotonically. All denominators are sums of
//   nonnegative numbers, so the nearly hard case needs no tolerance; in the hard case itself an eigenvector
//   fills the step up to the radius.
// - above: safeguarded Newton on the same equation with one Cholesky factorization per iteration, with
//   the bounds, the hard-case test and the partial factorizations of Conn, Gould & Toint 2000, alg. 7.3.4. It
//   stops at | |d| - radius | <= tolerance radius or at a proven fraction of the decrease.
//
// predicted decrease = (-g'd + lambda |d|_W^2) / 2: both terms are nonnegative (a step shortened to the
// radius by a factor t gains t (1 - t/2) (-g'd) + t^2/2 lambda |d|_W^2). Limit: boundary where lambda or
// negative curvature brings |d| to the radius.
//
// Cost: n^3 / 3 flops for an interior step, about 9 n^3 more per point for the decomposition, n^2 per further
// radius; above eigen_limit 2 to 5 factorizations per radius. Memory 3 n^2 to 4 n^2.
//
// Reference: Moré & Sorensen, SIAM J. Sci. Stat. Comput. 4 (1983) 553; Conn, Gould & Toint, Trust-Region
// Methods, 2000, sec. 7.3; Cline, Moler, Stewart & Wilkinson 1979 (the small singular vector).
#include <algorithm>
#include <array>
#include <cmath>

#include "core/option_checks.h"
#include "core/vector.h"
#include "solvers/linear/cholesky.h"
#include "solvers/linear/symmetric_eigen.h"
#include "solvers/step/model.h"
#include "solvers/step/parts.h"

namespace kappa {
namespace {

constexpr const char* part = "more-sorensen";

struct MoreSorensenOptions {
  double tolerance =
      0.01;  // Moré & Sorensen 1983, sec. 5, use 0.1; a step nearer the radius costs one iteration
  Index max_iterations = 60;  // safeguard; Conn, Gould & Toint 2000, sec. 7.3.11, see 2 to 3
  Index eigen_limit = 100;    // a decomposition of this size takes a few milliseconds
  Index dense_limit = 3000;   // 4 matrices, 290 MB; a convention
};

constexpr std::array<Field<MoreSorensenOptions>, 4> fields = {{
    {"tolerance", &MoreSorensenOptions::tolerance, "Moré & Sorensen 1983, sec. 5 (there 0.1)",
     "relative distance of |d| from the radius above eigen_limit, in (0, 1)"},
    {"max_iterations", &MoreSorensenOptions::max_iterations, "safeguard; 2 to 3 are usual, Conn et al. 2000",
     "factorizations per solve above eigen_limit"},
    {"eigen_limit", &MoreSorensenOptions::eigen_limit, "a few milliseconds",
     "largest size for which eigenvalues are computed; 0 always iterates with Cholesky"},
    {"dense_limit", &MoreSorensenOptions::dense_limit, "290 MB for the matrices",
     "the largest size of a matrix that is not diagonal"},
}};

std::size_t at(Index i) {
  return static_cast<std::size_t>(i);
}

class MoreSorensen final : public StepSolver {
 public:
  explicit MoreSorensen(const MoreSorensenOptions& options) : options_(options) {}

  ControlKind control() const override { return ControlKind::radius; }

  std::optional<std::string> unfit(const SymmetricOperator& B) const override {
    return detail::DenseModel::unfit(B, part, options_.dense_limit, "steihaug-cg");
  }

  StepStatus prepare(const Subproblem& subproblem) override;
  StepReport solve(const Control& control, VectorRef step) override;
  bool resolve(ConstVectorRef rhs, VectorRef out) override;

  Index factorizations() const override { return factorizations_; }
  bool state(State& s) override {
    s.section("more-sorensen", 1);
    s.item("factorizations", factorizations_);
    return true;
  }

 private:
  /// What the last solve left for resolve.
  enum class Factor { none, newton, cholesky, eigen };

  /// A solution u of the scaled problem: u_ holds it.
  struct Solution {
    StepStatus status = StepStatus::ok;
    double lambda = 0;
    double lost = 0;  ///< w'(H + lambda I) w of an added vector w, by which u is not quite stationary
    double along_gradient = 0;  ///< -g's of the stationary part s of u
    StepReport::Limit limit = StepReport::Limit::boundary;
    Index iterations = 0;
  };

  void scale_model();
  void try_newton();
  bool decompose();
  Solution solve_by_eigenvalues(double radius);
  bool minimum_norm(double radius);
  double secular_root(double radius, double least, Index& iterations) const;
  void rotate_back();
  Solution solve_by_factors(double radius);
  double newton_step(double lambda, Solution& out);
  bool fill_hard_case(double radius, double length, double& low, Solution& out);
  double small_vector();
  double failed_direction(Index pivot, double lambda);
  void bounds(double radius, double& low, double& high) const;
  Index factor(double lambda);

  MoreSorensenOptions options_;
  std::optional<Subproblem> subproblem_;
  detail::DenseModel model_;
  std::vector<double> inverse_root_;  ///< 1 / sqrt(w_i)
  std::vector<double> H_;             ///< scaled B, column-major
  std::vector<double> g_;             ///< scaled gradient
  double beta_ = 1;                   ///< B = beta H in the scaled variables
  double gamma_ = 1;                  ///< gradient = gamma g
  double tiny_ = 0;                   ///< eigenvalues below it are rounding
  detail::Cholesky cholesky_;
  std::vector<double> newton_, u_, v_, w_;
  double newton_norm_ = 0;
  detail::SymmetricEigen eigen_;
  std::vector<double> eigenvalues_, rotated_, t_;  ///< in the eigenbasis
  double mu_ = 0;
  double least_eigenvalue_ = 0;
  Factor left_ = Factor::none;
  Index factorizations_ = 0;
  bool ready_ = false;
  bool newton_exists_ = false;
  bool newton_factor_kept_ = false;
  bool decomposed_ = false;
};

StepStatus MoreSorensen::prepare(const Subproblem& subproblem) {
  subproblem_.emplace(subproblem);
  ready_ = newton_exists_ = newton_factor_kept_ = decomposed_ = false;
  left_ = Factor::none;
  if (!model_.load(subproblem.B) || !detail::all_finite(subproblem.gradient)) {
    return StepStatus::failed;
  }
  const std::size_t n = subproblem.gradient.size();
  for (std::vector<double>* v :
       {&inverse_root_, &g_, &newton_, &u_, &v_, &w_, &eigenvalues_, &rotated_, &t_}) {
    v->resize(n);
  }
  scale_model();
  try_newton();
  ready_ = true;
  return StepStatus::ok;
}

void MoreSorensen::scale_model() {
  const ConstVectorRef weights = subproblem_->metric.weights();
  const Index n = model_.size();
  double top = 0;
  for (Index i = 0; i < n; ++i) {
    inverse_root_[at(i)] = 1 / std::sqrt(weights[at(i)]);
    g_[at(i)] = subproblem_->gradient[at(i)] * inverse_root_[at(i)];
  }
  if (model_.is_diagonal()) {
    for (Index i = 0; i < n; ++i) {
      eigenvalues_[at(i)] = (model_.diagonal()[at(i)] * inverse_root_[at(i)]) * inverse_root_[at(i)];
    }
    top = detail::largest(eigenvalues_);
  } else {
    H_.resize(at(n * n));
    for (Index j = 0; j < n; ++j) {
      for (Index i = 0; i < n; ++i) {
        H_[at(i + j * n)] = (model_.matrix()(i, j) * inverse_root_[at(i)]) * inverse_root_[at(j)];
      }
      top = std::max(top, detail::largest(H_.data() + j * n, n));
    }
  }
  const double slope = detail::largest(g_);
  beta_ = detail::power_of_two(top > 0 ? top : slope);
  gamma_ = detail::power_of_two(slope > 0 ? slope : top);
  for (double& v : g_) {
    v /= gamma_;
  }
  if (model_.is_diagonal()) {
    for (double& v : eigenvalues_) {
      v /= beta_;
    }
    tiny_ = 0;
  } else {
    for (double& v : H_) {
      v /= beta_;
    }
    tiny_ = 10 * static_cast<double>(n) * epsilon;
  }
}

Index MoreSorensen::factor(double lambda) {
  const Index n = model_.size();
  const MatrixRef a = cholesky_.matrix(n);
  for (Index j = 0; j < n; ++j) {
    std::copy(H_.data() + j * n + j, H_.data() + (j + 1) * n, a.column(j) + j);
    a(j, j) += lambda;
  }
  ++factorizations_;
  newton_factor_kept_ = false;
  return cholesky_.factor(static_cast<double>(n) * epsilon);
}

/// newton_ = -H^-1 g where H is safely positive definite.
void MoreSorensen::try_newton() {
  if (model_.is_diagonal()) {
    return;
  }
  newton_exists_ = factor(0) < 0;
  newton_factor_kept_ = newton_exists_;
  if (!newton_exists_) {
    return;
  }
  for (std::size_t i = 0; i < g_.size(); ++i) {
    newton_[i] = -g_[i];
  }
  cholesky_.solve(newton_);
  newton_norm_ = detail::norm(newton_);
}

StepReport MoreSorensen::solve(const Control& control, VectorRef step) {
  const double radius = detail::control_value<Radius>(control, "more-sorensen: the control must be a radius");
  expects(subproblem_.has_value(), "more-sorensen: solve before prepare");
  left_ = Factor::none;
  if (!ready_ || !(radius >= 0)) {
    return detail::no_step(StepStatus::failed, step);
  }
  if (radius == 0) {
    StepReport out = detail::no_step(StepStatus::ok, step);
    out.limit = StepReport::Limit::boundary;
    return out;
  }
  if (subproblem_->interrupt != nullptr && subproblem_->interrupt->requested()) {
    return detail::no_step(StepStatus::interrupted, step);
  }
  // One unit of the scaled variables is gamma / beta of the metric.
  const double unit = gamma_ / beta_;
  const double scaled_radius = std::clamp(radius / unit, 1e-290, 1e150);
  Solution solution;
  if (newton_exists_ && newton_norm_ <= scaled_radius) {
    std::copy(newton_.begin(), newton_.end(), u_.begin());
    solution.along_gradient = -detail::dot(g_, u_);
    solution.limit = StepReport::Limit::interior;
    left_ = Factor::newton;
  } else if (model_.is_diagonal() || model_.size() <= options_.eigen_limit) {
    solution = solve_by_eigenvalues(scaled_radius);
  } else {
    solution = solve_by_factors(scaled_radius);
  }
  if (solution.status != StepStatus::ok) {
    return detail::no_step(solution.status, step);
  }
  const double length = detail::norm(u_);
  const double t = length > scaled_radius ? scaled_radius / length : 1.0;
  const double gain = t * (1 - 0.5 * t) * solution.along_gradient +
                      0.5 * ((t * t) * ((solution.lambda * length) * length) - solution.lost);
  for (std::size_t i = 0; i < step.size(); ++i) {
    step[i] = (t * u_[i] * inverse_root_[i]) * unit;
  }
  StepReport out;
  out.slope = detail::dot(subproblem_->gradient, step);
  out.predicted_decrease = (gain * gamma_) * unit;
  out.norm = subproblem_->metric.norm(step);
  out.limit = solution.limit;
  out.inner_iterations = solution.iterations;
  return detail::checked(out, step);
}

// ---- By eigenvalues -------------------------------------------------------------------------------------

/// Eigenvalues of H and the gradient in the eigenbasis, once per point.
bool MoreSorensen::decompose() {
  if (decomposed_) {
    return true;
  }
  decomposed_ = true;
  const Index n = model_.size();
  if (model_.is_diagonal()) {
    std::copy(g_.begin(), g_.end(), rotated_.begin());
  } else {
    decomposed_ = eigen_.compute({H_.data(), n, n, n});
    ++factorizations_;
    for (Index i = 0; i < n; ++i) {
      eigenvalues_[at(i)] = eigen_.values()[at(i)];
      rotated_[at(i)] = detail::dot(eigen_.vector(i), g_.data(), n);
    }
  }
  least_eigenvalue_ = *std::min_element(eigenvalues_.begin(), eigenvalues_.end());
  return decomposed_;
}

/// u_ = Q t_.
void MoreSorensen::rotate_back() {
  if (model_.is_diagonal()) {
    std::copy(t_.begin(), t_.end(), u_.begin());
    return;
  }
  const Index n = model_.size();
  std::fill(u_.begin(), u_.end(), 0.0);
  for (Index i = 0; i < n; ++i) {
    detail::add_scaled(t_[at(i)], eigen_.vector(i), u_.data(), n);
  }
}

/// Where H is positive semidefinite and g has no part in its null space, both to rounding: t_ is the shortest
/// minimiser. False where there is none within the radius.
bool MoreSorensen::minimum_norm(double radius) {
  if (least_eigenvalue_ < -tiny_) {
    return false;
  }
  for (std::size_t i = 0; i < t_.size(); ++i) {
    t_[i] = 0;
    if (eigenvalues_[i] > tiny_) {
      t_[i] = -rotated_[i] / eigenvalues_[i];
    } else if (std::abs(rotated_[i]) > tiny_) {
      return false;
    }
  }
  return detail::norm(t_) <= radius;
}

/// mu >= least with |t(mu)| = radius, t_i = -g_i / (e_i - e_min + mu); `least` gives at least the radius.
double MoreSorensen::secular_root(double radius, double least, Index& iterations) const {
  double mu = least;
  // Each term alone must not exceed the radius: a start from the left, close where one term dominates.
  for (std::size_t i = 0; i < t_.size(); ++i) {
    mu = std::max(mu, std::abs(rotated_[i]) / radius - (eigenvalues_[i] - least_eigenvalue_));
  }
  double low = mu;
  double high = infinity;
  for (iterations = 1; iterations < 200; ++iterations) {
    double square = 0;  // (|t| / radius)^2
    double decline = 0;
    for (std::size_t i = 0; i < t_.size(); ++i) {
      if (rotated_[i] == 0) {
        continue;
      }
      const double denominator = (eigenvalues_[i] - least_eigenvalue_) + mu;
      const double t = rotated_[i] / denominator / radius;
      square += t * t;
      decline += t * t / denominator;
    }
    const double ratio = std::sqrt(square);
    if (std::abs(ratio - 1) <= 4 * epsilon) {
      break;
    }
    (ratio > 1 ? low : high) = mu;
    double next = mu + (square / decline) * (ratio - 1);
    if (!(next >= low && next <= high)) {
      next = high < infinity ? 0.5 * (low + high) : 2 * mu;
    }
    if (std::abs(next - mu) <= epsilon * mu) {
      mu = next;
      break;
    }
    mu = next;
  }
  return mu;
}

MoreSorensen::Solution MoreSorensen::solve_by_eigenvalues(double radius) {
  Solution out;
  if (!decompose()) {
    out.status = StepStatus::failed;
    return out;
  }
  left_ = Factor::eigen;
  if (minimum_norm(radius)) {
    mu_ = least_eigenvalue_;
    if (!(mu_ > tiny_)) {
      left_ = Factor::none;
    }
    out.limit = StepReport::Limit::interior;
    rotate_back();
    out.along_gradient = -detail::dot(g_, u_);
    return out;
  }
  // The norm at the smallest admissible mu, without the eigenvectors of a zero denominator.
  const double least = std::max(0.0, least_eigenvalue_);
  double square = 0;
  bool pole = false;
  for (std::size_t i = 0; i < t_.size(); ++i) {
    const double denominator = (eigenvalues_[i] - least_eigenvalue_) + least;
    if (rotated_[i] == 0) {
      continue;
    }
    pole = pole || denominator == 0;
    if (denominator > 0) {
      const double t = rotated_[i] / denominator / radius;
      square += t * t;
    }
  }
  if (pole || square > 1) {
    mu_ = secular_root(radius, least, out.iterations);
  } else {
    mu_ = least;
  }
  Index lowest = -1;
  for (std::size_t i = 0; i < t_.size(); ++i) {
    const double denominator = (eigenvalues_[i] - least_eigenvalue_) + mu_;
    t_[i] = rotated_[i] == 0 ? 0.0 : -rotated_[i] / denominator;
    if (lowest < 0 && eigenvalues_[i] == least_eigenvalue_) {
      lowest = static_cast<Index>(i);
    }
  }
  if (!pole && !(square > 1)) {
    // Hard case: lambda = -e_min, and an eigenvector fills the step up to the radius.
    const double length = detail::norm(t_);
    t_[at(lowest)] = std::sqrt(std::max(0.0, (radius - length) * (radius + length)));
    left_ = Factor::none;
  }
  out.lambda = std::max(0.0, mu_ - least_eigenvalue_);
  out.along_gradient = -detail::dot(rotated_, t_);
  rotate_back();
  return out;
}

// ---- By Cholesky factors --------------------------------------------------------------------------------

/// Bounds of lambda from Gershgorin's disks (Conn, Gould & Toint 2000, eq. 7.3.20, 7.3.21).
void MoreSorensen::bounds(double radius, double& low, double& high) const {
  const Index n = model_.size();
  const double slope = detail::norm(g_) / radius;
  double least_diagonal = infinity;
  double top = -infinity;
  double bottom = -infinity;
  double frobenius = 0;
  double sum_norm = 0;
  for (Index j = 0; j < n; ++j) {
    double off = 0;
    for (Index i = 0; i < n; ++i) {
      off += i == j ? 0.0 : std::abs(H_[at(i + j * n)]);
      frobenius += H_[at(i + j * n)] * H_[at(i + j * n)];
    }
    least_diagonal = std::min(least_diagonal, H_[at(j + j * n)]);
    top = std::max(top, H_[at(j + j * n)] + off);
    bottom = std::max(bottom, off - H_[at(j + j * n)]);
    sum_norm = std::max(sum_norm, off + std::abs(H_[at(j + j * n)]));
  }
  const double norm = std::min(std::sqrt(frobenius), sum_norm);
  low = std::max({0.0, -least_diagonal, slope - std::min(top, norm)});
  high = std::max(0.0, slope + std::min(bottom, norm));
}

/// w_ = a unit vector for which w'(H + lambda I) w is small, from the factor: L z = e with signs that make z
/// grow, then L'w = z. Returns w'(H + lambda I) w.
double MoreSorensen::small_vector() {
  const Index n = model_.size();
  std::fill(w_.begin(), w_.end(), 0.0);
  for (Index k = 0; k < n; ++k) {
    // w_k holds -(sum of l_kj z_j); the sign of e_k adds to it.
    const double z = (w_[at(k)] >= 0 ? w_[at(k)] + 1 : w_[at(k)] - 1) / cholesky_(k, k);
    w_[at(k)] = z;
    for (Index i = k + 1; i < n; ++i) {
      w_[at(i)] -= cholesky_(i, k) * z;
    }
  }
  const double scale = detail::norm(w_);
  for (double& v : w_) {
    v /= scale;
  }
  cholesky_.solve_upper(w_);
  const double length = detail::norm(w_);
  for (double& v : w_) {
    v /= length;
  }
  // |L'w|^2 with L'w = z / (scale length), a vector of norm 1 / length.
  return 1 / length / length;
}

/// After a failed pivot: v with (H + lambda I + delta e e') v = 0 where e is the unit vector of the pivot.
/// Returns delta / |v|^2, by which lambda must grow at least (Conn, Gould & Toint 2000, sec. 7.3.9).
double MoreSorensen::failed_direction(Index pivot, double lambda) {
  double sum = 0;
  for (Index j = 0; j < pivot; ++j) {
    v_[at(j)] = -cholesky_(pivot, j);
    sum += v_[at(j)] * v_[at(j)];
  }
  for (Index j = pivot - 1; j >= 0; --j) {
    for (Index i = j + 1; i < pivot; ++i) {
      v_[at(j)] -= cholesky_(i, j) * v_[at(i)];
    }
    v_[at(j)] /= cholesky_(j, j);
  }
  const double length = detail::norm(v_.data(), pivot);
  const double delta = std::max(0.0, sum - H_[at(pivot + pivot * model_.size())] - lambda);
  return delta / (1 + length * length);
}

MoreSorensen::Solution MoreSorensen::solve_by_factors(double radius) {
  Solution out;
  double low = 0;
  double high = 0;
  bounds(radius, low, high);
  // A singular H is solved with a shift at rounding level, which gives its shortest minimiser.
  const double rounding = 100 * static_cast<double>(model_.size()) * epsilon;
  double lambda = std::max(low, rounding);
  constexpr double theta = 0.01;  // Conn, Gould & Toint 2000, sec. 7.3.11
  bool solved = false;
  for (out.iterations = 1; out.iterations <= options_.max_iterations; ++out.iterations) {
    if (subproblem_->interrupt != nullptr && subproblem_->interrupt->requested()) {
      out.status = StepStatus::interrupted;
      return out;
    }
    const Index pivot = factor(lambda);
    double next = 0;  // outside the bounds unless something better is found
    if (pivot >= 0) {
      left_ = Factor::none;
      if (!std::isfinite(cholesky_.pivot())) {
        out.status = StepStatus::failed;
        return out;
      }
      low = std::max(low, lambda + failed_direction(pivot, lambda));
    } else {
      left_ = Factor::cholesky;
      solved = true;
      const double length = newton_step(lambda, out);
      if (lambda <= rounding && length <= radius) {
        out.limit = StepReport::Limit::interior;
        return out;
      }
      if (std::abs(length - radius) <= options_.tolerance * radius ||
          fill_hard_case(radius, length, low, out)) {
        return out;
      }
      (length < radius ? high : low) = lambda;
      if (length > 0) {
        std::copy(u_.begin(), u_.end(), v_.begin());
        cholesky_.solve_lower(v_);
        const double ratio = length / detail::norm(v_);
        next = lambda + ratio * ratio * ((length - radius) / radius);
      }
    }
    if (!(next > low && next < high)) {
      next = std::max(std::sqrt(low) * std::sqrt(high), low + theta * (high - low));
    }
    if (next == lambda) {
      break;
    }
    lambda = next;
  }
  out.iterations = std::min(out.iterations, options_.max_iterations);
  out.status = solved ? StepStatus::ok : StepStatus::failed;
  return out;
}

/// u_ = -(H + lambda I)^-1 g from the factor; returns its norm.
double MoreSorensen::newton_step(double lambda, Solution& out) {
  for (std::size_t i = 0; i < g_.size(); ++i) {
    u_[i] = -g_[i];
  }
  cholesky_.solve(u_);
  out.lambda = lambda;
  out.along_gradient = -detail::dot(g_, u_);
  return detail::norm(u_);
}

/// For a step inside the radius: raises `low`, and fills the step up to the radius along a vector of small
/// curvature if that gives away no more than a fraction of the decrease (Moré & Sorensen 1983, lemma 3.4).
bool MoreSorensen::fill_hard_case(double radius, double length, double& low, Solution& out) {
  if (!(length < radius)) {
    return false;
  }
  const double curvature = small_vector();
  low = std::max(low, out.lambda - curvature);
  const double along = detail::dot(u_, w_);
  const double gap = (radius - length) * (radius + length);
  const double root = std::sqrt(along * along + gap);
  // Of the two ways to the radius the shorter one loses less.
  const double alpha = along > 0 ? gap / (along + root) : -gap / (root - along);
  const double lost = (alpha * alpha) * curvature;
  if (!(lost <= 0.1 * options_.tolerance * (out.along_gradient + (out.lambda * radius) * radius))) {
    return false;
  }
  detail::add_scaled(alpha, w_.data(), u_.data(), model_.size());
  out.lost = lost;
  return true;
}

bool MoreSorensen::resolve(ConstVectorRef rhs, VectorRef out) {
  const Index n = model_.size();
  if (left_ == Factor::none) {
    return false;
  }
  for (std::size_t i = 0; i < out.size(); ++i) {
    v_[i] = rhs[i] * inverse_root_[i];
  }
  if (left_ == Factor::newton && !newton_factor_kept_) {
    factor(0);
    newton_factor_kept_ = true;
  }
  if (left_ == Factor::newton || left_ == Factor::cholesky) {
    cholesky_.solve(v_);
  } else if (model_.is_diagonal()) {
    for (std::size_t i = 0; i < v_.size(); ++i) {
      v_[i] /= (eigenvalues_[i] - least_eigenvalue_) + mu_;
    }
  } else {
    std::fill(w_.begin(), w_.end(), 0.0);
    for (Index i = 0; i < n; ++i) {
      const double* q = eigen_.vector(i);
      const double share = detail::dot(q, v_.data(), n) / ((eigenvalues_[at(i)] - least_eigenvalue_) + mu_);
      detail::add_scaled(share, q, w_.data(), n);
    }
    std::copy(w_.begin(), w_.end(), v_.begin());
  }
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i] = v_[i] * inverse_root_[i] / beta_;
  }
  return detail::all_finite(out);
}

}  // namespace

StepPart more_sorensen_part() {
  StepPart out;
  out.info.kind = PartKind::step;
  out.info.name = part;
  out.info.summary =
      "Exact trust-region step, for dense matrices definite or not, and diagonals of any size.";
  out.info.source = "Moré & Sorensen 1983; Conn, Gould & Toint 2000, alg. 7.3.4";
  out.info.options = describe_options<MoreSorensenOptions>(fields);
  out.control = ControlKind::radius;
  out.make = [](const Options& given) -> std::unique_ptr<StepSolver> {
    const auto options = read_options<MoreSorensenOptions>(part, given, fields);
    const auto count = [](Index v) { return static_cast<std::int64_t>(v); };
    detail::require_option(options.tolerance > 0 && options.tolerance < 1, part, "tolerance",
                           options.tolerance, "it must lie between 0 and 1");
    detail::require_option(options.max_iterations >= 1, part, "max_iterations", count(options.max_iterations),
                           "it must be at least 1");
    detail::require_option(options.eigen_limit >= 0, part, "eigen_limit", count(options.eigen_limit),
                           "it must not be negative");
    detail::require_option(options.dense_limit >= 1, part, "dense_limit", count(options.dense_limit),
                           "it must be at least 1");
    return std::make_unique<MoreSorensen>(options);
  };
  return out;
}

}  // namespace kappa
