#include "solvers/linear/lanczos_basis.h"

#include <algorithm>
#include <cmath>

#include "kappa/random.h"

namespace kappa::detail {

void LanczosBasis::reserve(Index size, Index dimension, Index stored) {
  size_ = size;
  stored_ = std::min(std::max<Index>(stored, 2), dimension + 1);
  const auto n = static_cast<std::size_t>(size);
  loop_.reserve(size);
  for (std::vector<double>* v : {&root_inverse_, &scaled_, &next_}) {
    v->resize(n);
  }
  alpha_.reserve(static_cast<std::size_t>(dimension));
  beta_.reserve(static_cast<std::size_t>(dimension));
  const bool all = stored_ > dimension;
  vectors_.resize(n * static_cast<std::size_t>(all ? stored_ : stored_ + 2));
}

VectorRef LanczosBasis::vector(Index k) {
  const Index slot = k < stored_ ? k : stored_ + (k - stored_) % 2;
  const auto n = static_cast<std::size_t>(size_);
  return VectorRef(vectors_.data() + static_cast<std::size_t>(slot) * n, n);
}

bool LanczosBasis::start(const Subproblem& subproblem) {
  subproblem_.emplace(subproblem);
  alpha_.clear();
  beta_.clear();
  largest_ = 0;
  coupled_ = true;
  const ConstVectorRef w = subproblem.metric.weights();
  loop_.each([&](Index begin, Index end) {
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
      root_inverse_[i] = 1 / std::sqrt(w[i]);
    }
  });
  // By a power of two near it, so that the norm neither under- nor overflows.
  const double unit = std::max(power_of_two(largest(subproblem.gradient)), 0x1p-1000);
  if (!std::isfinite(unit)) {
    return false;
  }
  loop_.set_scaled(1 / unit, subproblem.gradient, next_);
  loop_.multiply(root_inverse_, next_, next_);
  const double length = loop_.norm(next_);
  if (!std::isfinite(length)) {
    return false;
  }
  gamma_ = length * unit;
  has_next_ = length > 0;
  if (has_next_) {
    loop_.set_scaled(1 / length, next_, vector(0));
  }
  return true;
}

/// next_ = A q_k less its parts along the vectors so far.
void LanczosBasis::advance(Index k) {
  loop_.multiply(root_inverse_, vector(k), scaled_);
  subproblem_->B.multiply(scaled_, next_);
  loop_.multiply(root_inverse_, next_, next_);
  if (static_cast<Index>(alpha_.size()) == k) {
    alpha_.push_back(loop_.dot(vector(k), next_));
  }
  const auto at = static_cast<std::size_t>(k);
  loop_.add_scaled(-alpha_[at], vector(k), next_);
  if (k > 0 && beta_[at - 1] != 0) {
    loop_.add_scaled(-beta_[at - 1], vector(k - 1), next_);
  }
  if (k < stored_) {
    make_orthogonal(k + 1, next_);
  }
}

/// Against the first k vectors, twice where the first time takes much away (Kahan's "twice is enough").
void LanczosBasis::make_orthogonal(Index k, VectorRef v) {
  double before = loop_.norm(v);
  for (int pass = 0; pass < 2; ++pass) {
    for (Index j = 0; j < k; ++j) {
      loop_.add_scaled(-loop_.dot(vector(j), v), vector(j), v);
    }
    const double after = loop_.norm(v);
    if (after > 0.7 * before) {
      break;
    }
    before = after;
  }
}

bool LanczosBasis::make_unit_orthogonal(Index k, VectorRef v) {
  for (int pass = 0; pass < 2; ++pass) {
    make_orthogonal(k, v);
    const double length = loop_.norm(v);
    if (!(length > 0)) {
      return false;
    }
    loop_.set_scaled(1 / length, v, v);
  }
  return true;
}

LanczosBasis::Growth LanczosBasis::extend() {
  const Interrupt* interrupt = subproblem_->interrupt;
  if (interrupt != nullptr && interrupt->requested()) {
    return Growth::interrupted;
  }
  const Index k = dimension();
  if (!has_next_) {
    return Growth::exhausted;
  }
  advance(k);
  const double beta = loop_.norm(next_);
  if (!std::isfinite(alpha_.back()) || !std::isfinite(beta)) {
    has_next_ = false;
    beta_.push_back(0);
    return Growth::failed;
  }
  largest_ = std::max({largest_, std::abs(alpha_.back()), beta});
  coupled_ = beta > 32 * epsilon * largest_;
  beta_.push_back(k + 1 < size_ ? beta : 0);
  has_next_ = beta_.back() > 0;
  if (has_next_) {
    loop_.set_scaled(1 / beta, next_, vector(k + 1));
    // Rounding has a say in its direction, and nothing may be left of it.
    if (!coupled_ && k + 1 < stored_ && !make_unit_orthogonal(k + 1, vector(k + 1))) {
      beta_.back() = 0;
      has_next_ = false;
    }
  }
  return Growth::ok;
}

bool LanczosBasis::go_on() {
  const Index k = dimension();
  if (k >= size_ || k >= stored_) {
    return false;
  }
  RandomSequence random(static_cast<std::uint64_t>(k) + 1);
  for (double& entry : vector(k)) {
    entry = random.normal();
  }
  has_next_ = make_unit_orthogonal(k, vector(k));  // without coupling: the last beta stays 0
  return has_next_;
}

void LanczosBasis::assemble(ConstVectorRef y, VectorRef d) {
  std::fill(d.begin(), d.end(), 0.0);
  const auto k = static_cast<Index>(y.size());
  for (Index j = 0; j < std::min(k, stored_); ++j) {
    loop_.add_scaled(y[static_cast<std::size_t>(j)], vector(j), d);
  }
  for (Index j = stored_ - 1; k > stored_ && j < k; ++j) {
    advance(j);
    const double beta = beta_[static_cast<std::size_t>(j)];
    if (beta > 0) {
      loop_.set_scaled(1 / beta, next_, vector(j + 1));
    }
    if (j + 1 < k) {
      loop_.add_scaled(y[static_cast<std::size_t>(j + 1)], vector(j + 1), d);
    }
  }
  loop_.multiply(root_inverse_, d, d);
}

}  // namespace kappa::detail
