#include "plugins/host/claims.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <utility>

#include "core/vector.h"
#include "kappa/random.h"

namespace kappa::detail {
namespace {

/// Differences that come of inexact products, such as differences of gradients, are far below.
constexpr double tolerance = 1e-4;

std::vector<double> random_vector(Index n, std::uint64_t stream) {
  RandomSequence random(stream);
  std::vector<double> out(static_cast<std::size_t>(n));
  for (double& e : out) {
    e = random.normal();
  }
  return out;
}

std::vector<double> times(const SymmetricOperator& B, const std::vector<double>& v) {
  std::vector<double> out(v.size(), std::numeric_limits<double>::quiet_NaN());
  B.multiply(v, out);
  return out;
}

/// v'w, and the sum of the absolute values of its terms.
std::pair<double, double> dot_and_size(ConstVectorRef v, ConstVectorRef w) {
  double sum = 0;
  double terms = 0;
  for (std::size_t i = 0; i < v.size(); ++i) {
    sum += v[i] * w[i];
    terms += std::fabs(v[i] * w[i]);
  }
  return {sum, terms};
}

std::string sentence(const char* format, double a, double b) {
  char text[200];
  std::snprintf(text, sizeof text, format, a, b);
  return text;
}

/// `formed` is the form's product with the first random vector.
std::string compare(const char* form, const SymmetricOperator& B, const std::vector<double>& formed) {
  if (!all_finite(formed)) {
    return std::string(form) + " gives numbers that are not finite";
  }
  const std::vector<double> product = times(B, random_vector(B.size(), 1));
  double difference = 0;
  double size = 0;
  for (std::size_t i = 0; i < product.size(); ++i) {
    difference = std::max(difference, std::fabs(formed[i] - product[i]));
    size = std::max({size, std::fabs(formed[i]), std::fabs(product[i])});
  }
  return difference <= tolerance * size
             ? ""
             : std::string(form) + sentence(" does not agree with multiply: entries of %.6g differ by %.6g",
                                            size, difference);
}

std::string look_at_product(const SymmetricOperator& B) {
  const std::vector<double> v = random_vector(B.size(), 1);
  const std::vector<double> w = random_vector(B.size(), 2);
  const std::vector<double> Bv = times(B, v);
  const std::vector<double> Bw = times(B, w);
  if (!all_finite(Bv) || !all_finite(Bw)) {
    return "multiply gives numbers that are not finite";
  }
  const auto [vBw, size_vBw] = dot_and_size(v, Bw);
  const auto [wBv, size_wBv] = dot_and_size(w, Bv);
  if (!(std::fabs(vBw - wBv) <= tolerance * std::max(size_vBw, size_wBv))) {
    return sentence("multiply is not symmetric: v'Bw is %.6g and w'Bv %.6g", vBw, wBv);
  }
  if (B.definiteness() == Definiteness::positive_semidefinite) {
    for (const auto& [u, Bu] : {std::pair(&v, &Bv), std::pair(&w, &Bw)}) {
      const auto [uBu, size] = dot_and_size(*u, *Bu);
      if (!(uBu >= -tolerance * size)) {
        return sentence("it says that it is positive semidefinite, but v'Bv is %.6g with |v|^2 %.6g", uBu,
                        static_cast<double>(B.size()));
      }
    }
  }
  return "";
}

std::string look_at_diagonal(const SymmetricOperator& B, ConstVectorRef given) {
  if (given.empty()) {
    return "";
  }
  if (!all_finite(given)) {
    return "diagonal gives numbers that are not finite";
  }
  const auto largest = std::max_element(given.begin(), given.end(),
                                        [](double a, double b) { return std::fabs(a) < std::fabs(b); });
  const auto i = static_cast<std::size_t>(largest - given.begin());
  std::vector<double> unit(given.size(), 0.0);
  unit[i] = 1;
  const double entry = times(B, unit)[i];
  return std::fabs(entry - given[i]) <= tolerance * std::max(std::fabs(entry), std::fabs(given[i]))
             ? ""
             : sentence("diagonal does not agree with multiply: %.6g and %.6g", given[i], entry);
}

std::string look_at_dense(const SymmetricOperator& B, ConstMatrixRef given) {
  const std::vector<double> v = random_vector(B.size(), 1);
  std::vector<double> out(v.size(), 0.0);
  for (Index j = 0; j < given.cols; ++j) {
    for (Index i = 0; i < given.rows; ++i) {
      out[static_cast<std::size_t>(i)] += given(i, j) * v[static_cast<std::size_t>(j)];
    }
  }
  return compare("dense", B, out);
}

std::string look_at_blocks(const SymmetricOperator& B, const BlockMatrix& given) {
  const std::vector<double> v = random_vector(B.size(), 1);
  std::vector<double> out(v.size(), 0.0);
  given.multiply(v, out);
  return compare("blocks", B, out);
}

std::string look_at_root(const SymmetricOperator& B, const Root& given) {
  const std::vector<double> v = random_vector(B.size(), 1);
  const ConstMatrixRef& A = given.A;
  std::vector<double> Av(static_cast<std::size_t>(A.rows), 0.0);
  for (Index j = 0; j < A.cols; ++j) {
    for (Index i = 0; i < A.rows; ++i) {
      Av[static_cast<std::size_t>(i)] += A(i, j) * v[static_cast<std::size_t>(j)];
    }
  }
  std::vector<double> out(v.size(), 0.0);
  for (Index j = 0; j < A.cols; ++j) {
    for (Index i = 0; i < A.rows; ++i) {
      out[static_cast<std::size_t>(j)] += A(i, j) * Av[static_cast<std::size_t>(i)];
    }
  }
  return compare("root", B, out);
}

/// What `look` finds, looked for once.
template <class Look>
const std::string& once(std::optional<std::string>& claim, const Look& look) {
  if (!claim) {
    claim = look();
  }
  return *claim;
}

}  // namespace

const std::string& OperatorClaims::product(const SymmetricOperator& B) {
  return once(product_, [&] { return look_at_product(B); });
}
const std::string& OperatorClaims::diagonal(const SymmetricOperator& B, ConstVectorRef given) {
  return once(diagonal_, [&] { return look_at_diagonal(B, given); });
}
const std::string& OperatorClaims::dense(const SymmetricOperator& B, ConstMatrixRef given) {
  return once(dense_, [&] { return look_at_dense(B, given); });
}
const std::string& OperatorClaims::blocks(const SymmetricOperator& B, const BlockMatrix& given) {
  return once(blocks_, [&] { return look_at_blocks(B, given); });
}
const std::string& OperatorClaims::root(const SymmetricOperator& B, const Root& given) {
  return once(root_, [&] { return look_at_root(B, given); });
}

}  // namespace kappa::detail
