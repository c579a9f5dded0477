// Vocabulary shared by every part of kappa: sizes, views of vectors and matrices, and the two kinds
// of exception.
//
// Only views of double and kappa's own types cross the library's boundary. No public header includes
// Eigen, so a program and the library may be compiled for different vector instruction sets.
#pragma once

#include <cstddef>
#include <limits>
#include <span>
#include <stdexcept>
#include <string>

namespace kappa {

using Index = std::ptrdiff_t;

/// A vector the callee may write.
using VectorRef = std::span<double>;
/// A vector the callee reads.
using ConstVectorRef = std::span<const double>;

inline constexpr double infinity = std::numeric_limits<double>::infinity();
inline constexpr double epsilon = std::numeric_limits<double>::epsilon();

/// A dense column-major matrix that somebody else owns: entry (i, j) is data[i + j * stride].
struct MatrixRef {
  double* data = nullptr;
  Index rows = 0;
  Index cols = 0;
  Index stride = 0;

  double& operator()(Index i, Index j) const { return data[i + j * stride]; }
  double* column(Index j) const { return data + j * stride; }
};

/// The same, for reading.
struct ConstMatrixRef {
  const double* data = nullptr;
  Index rows = 0;
  Index cols = 0;
  Index stride = 0;

  ConstMatrixRef() = default;
  ConstMatrixRef(const double* d, Index r, Index c, Index s) : data(d), rows(r), cols(c), stride(s) {}
  ConstMatrixRef(MatrixRef m) : data(m.data), rows(m.rows), cols(m.cols), stride(m.stride) {}

  const double& operator()(Index i, Index j) const { return data[i + j * stride]; }
  const double* column(Index j) const { return data + j * stride; }
};

/// A set-up error: an unknown name, a bad option, parts that do not fit, a malformed file. The
/// sentence names the place (file and line, block, option) and the remedy. What goes wrong while
/// solving is not an exception but data: see Result.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A broken contract: a wrong vector size, a call before prepare. It is a mistake in the calling
/// program, so nobody should catch it but a test or a last resort.
class ContractError : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

namespace detail {
[[noreturn]] inline void contract_broken(const char* what) {
  throw ContractError(what);
}
}  // namespace detail

/// Throws ContractError with `message` unless `condition` holds.
inline void expects(bool condition, const char* message) {
  if (!condition) [[unlikely]] {
    detail::contract_broken(message);
  }
}

}  // namespace kappa
