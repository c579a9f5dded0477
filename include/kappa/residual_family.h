// ResidualFamily: all residual blocks of one type, evaluated range by range.
//
// The problem sees families through five virtual calls, each made for a range of blocks; the functor is
// compiled in the user's translation unit and sees only doubles and jets. Layouts, for R residuals and
// N = N0 + N1 + ... columns:
//   r  count x R            residuals, block after block
//   J  count x R x N        Jacobians, row-major: r[b*R + k]'s gradient begins at J[(b*R + k) * N]
//   S  count x N(N+1)/2     sum_k w_k Hessian(r_k), packed lower triangle: (i, j), i >= j, at i(i+1)/2 + j
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "kappa/base.h"
#include "kappa/hyper_jet.h"
#include "kappa/jet.h"
#include "kappa/lane_groups.h"

// Arrays of Lanes start without a value; GCC 12 takes the loops that fill them for ones that may not run.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

namespace kappa {

/// Blocks [first, first + count) of a family and where their parameters are: slot s of block first + b is
/// at parameters[b * slots + s].
struct BlockRange {
  Index first = 0;
  Index count = 0;
  const double* const* parameters = nullptr;
  /// `shared`: all blocks have the parameters of the first, as in curve fitting; only those are listed.
  enum class Parameters : unsigned char { of_each_block, shared } kind = Parameters::of_each_block;

  bool shared() const { return kind == Parameters::shared; }
};

enum class SecondOrder : unsigned char { exact, differences };

class ResidualFamily {
 public:
  virtual ~ResidualFamily() = default;

  virtual int residuals() const = 0;
  virtual std::span<const int> sizes() const = 0;  ///< of the parameter blocks, slot by slot
  virtual int columns() const = 0;                 ///< their sum
  virtual SecondOrder second_order_kind() const = 0;

  /// So many more blocks will be added.
  virtual void reserve(Index) {}

  /// Each returns the first block (absolute) whose functor returned false, or -1.
  virtual Index values(const BlockRange& range, double* r) const = 0;
  virtual Index jacobians(const BlockRange& range, double* r, double* J) const = 0;
  /// The same for families of one residual, with the Jacobian by columns: entry i of block b at A[i * stride
  /// + b].
  virtual Index jacobian_columns(const BlockRange& range, double* r, double* A, Index stride) const {
    std::vector<double> J(static_cast<std::size_t>(range.count * columns()));
    const Index refused = jacobians(range, r, J.data());
    for (Index b = 0; b < range.count; ++b) {
      for (Index i = 0; i < columns(); ++i) {
        A[i * stride + b] = J[static_cast<std::size_t>(b * columns() + i)];
      }
    }
    return refused;
  }
  /// `weights` is count x R, or null: then w = r.
  virtual Index hessians(const BlockRange& range, const double* weights, double* r, double* J,
                         double* S) const = 0;
  /// r_vv: count x R second directional derivatives along v (count x N).
  virtual Index second_directional(const BlockRange& range, const double* v, double* r_vv) const = 0;
};

namespace detail {

using TypeKey = const void*;
template <class T>
inline const char type_key_storage = 0;
template <class T>
TypeKey type_key() {
  return &type_key_storage<T>;
}

/// Up to this many columns a functor is differentiated in one pass; beyond, in chunks.
inline constexpr int one_pass_columns = 24;
inline constexpr int chunk_columns = 8;
/// Up to this many columns Hessians are evaluated in lanes; beyond, the numbers of a few would not fit a
/// cache.
inline constexpr int lane_hessian_columns = 16;

template <int... N>
struct Slots {
  static constexpr int count = static_cast<int>(sizeof...(N));
  static constexpr int columns = (N + ... + 0);
  static constexpr std::array<int, sizeof...(N)> sizes{N...};
  static constexpr std::array<int, sizeof...(N)> starts = [] {
    std::array<int, sizeof...(N)> out{};
    int at = 0;
    for (std::size_t i = 0; i < sizeof...(N); ++i) {
      out[i] = at;
      at += sizes[i];
    }
    return out;
  }();

  /// functor(x + start0, x + start1, ..., r)
  template <class F, class T>
  static bool call(const F& functor, const T* x, T* r) {
    return [&]<std::size_t... I>(std::index_sequence<I...>) {
      return functor(x + starts[I]..., r);
    }
    (std::make_index_sequence<sizeof...(N)>{});
  }
  template <class F>
  static bool call(const F& functor, const double* const* blocks, double* r) {
    return [&]<std::size_t... I>(std::index_sequence<I...>) {
      return functor(blocks[I]..., r);
    }
    (std::make_index_sequence<sizeof...(N)>{});
  }
  static void gather(const double* const* blocks, double* x) {
    for (std::size_t s = 0; s < sizeof...(N); ++s) {
      for (int i = 0; i < sizes[s]; ++i) {
        x[starts[s] + i] = blocks[s][i];
      }
    }
  }
};

}  // namespace detail

/// A functor differentiated by kappa's jets; R residuals, parameter blocks of sizes N...
///
/// Everything here is written for numbers S: doubles, or Lanes for several blocks at once. A point has
/// `columns` entries, J is R x columns, a packed triangle has columns (columns + 1) / 2 entries.
template <class F, int R, int... N>
struct AutoDiff {
  using Functor = F;
  using Slots = detail::Slots<N...>;
  static constexpr int residuals = R;
  static constexpr SecondOrder second_order = SecondOrder::exact;
  static constexpr int columns = Slots::columns;
  static constexpr int triangle = columns * (columns + 1) / 2;
  static constexpr bool one_pass = columns <= detail::one_pass_columns;
  static constexpr int width = one_pass ? columns : detail::chunk_columns;
  static constexpr bool in_lanes = detail::evaluates_in_lanes<F, columns>;

  F functor;

  /// Jets at a point; in the first order their partials are those of columns begin .. begin + width.
  template <class S>
  using Inputs = std::array<Jet<S, width>, static_cast<std::size_t>(columns)>;

  template <class S>
  static void load(const S* point, int begin, Inputs<S>& x) {
    for (int i = 0; i < columns; ++i) {
      auto& xi = x[static_cast<std::size_t>(i)];
      xi = Jet<S, width>(point[i]);
      if (i >= begin && i < begin + width) {
        xi.v[i - begin] = S(1);
      }
    }
  }

  template <class S>
  static bool jacobian_pass(const F& f, const Inputs<S>& x, int begin, S* r, S* J) {
    std::array<Jet<S, width>, static_cast<std::size_t>(R)> out;
    if (!Slots::call(f, x.data(), out.data())) {
      return false;
    }
    for (int k = 0; k < R; ++k) {
      const auto& rk = out[static_cast<std::size_t>(k)];
      r[k] = rk.a;
      for (int i = begin; i < columns && i < begin + width; ++i) {
        J[k * columns + i] = rk.v[i - begin];
      }
    }
    return true;
  }

  template <class S>
  static bool jacobian_at(const F& f, const S* point, S* r, S* J) {
    Inputs<S> x;
    for (int begin = 0; begin < columns; begin += width) {
      load(point, begin, x);
      if (!jacobian_pass(f, x, begin, r, J)) {
        return false;
      }
    }
    return true;
  }

  /// H = sum_k w_k Hessian(r_k), packed; without weights w = r.
  template <class S>
  static bool hessian_at(const F& f, const S* point, const S* weights, S* r, S* J, S* H) {
    if constexpr (columns <= detail::one_pass_columns) {
      using Number = HyperJet<S, columns>;
      std::array<Number, static_cast<std::size_t>(columns)> x;
      std::array<Number, static_cast<std::size_t>(R)> out;
      for (int i = 0; i < columns; ++i) {
        x[static_cast<std::size_t>(i)] = Number(point[i], i);
      }
      if (!Slots::call(f, x.data(), out.data())) {
        return false;
      }
      for (int i = 0; i < triangle; ++i) {
        H[i] = S(0);
      }
      for (int k = 0; k < R; ++k) {
        const Number& rk = out[static_cast<std::size_t>(k)];
        r[k] = rk.a;
        const S w = weights != nullptr ? weights[k] : rk.a;
        for (int i = 0; i < columns; ++i) {
          J[k * columns + i] = rk.v[i];
        }
        for (int i = 0; i < triangle; ++i) {
          H[i] += w * rk.h[i];
        }
      }
      return true;
    } else {
      return jacobian_at(f, point, r, J) && hessian_by_columns(f, point, weights != nullptr ? weights : r, H);
    }
  }

  /// r_vv along v, of `columns` entries.
  template <class S>
  static bool second_directional_at(const F& f, const S* point, const S* v, S* r_vv) {
    using Dual = Jet<Jet<S, 1>, 1>;
    std::array<Dual, static_cast<std::size_t>(columns)> x;
    std::array<Dual, static_cast<std::size_t>(R)> out;
    for (int i = 0; i < columns; ++i) {
      Dual xi = Dual(Jet<S, 1>(point[i]));
      xi.a.v[0] = v[i];
      xi.v[0] = Jet<S, 1>(v[i]);
      x[static_cast<std::size_t>(i)] = xi;
    }
    if (!Slots::call(f, x.data(), out.data())) {
      return false;
    }
    for (int k = 0; k < R; ++k) {
      r_vv[k] = out[static_cast<std::size_t>(k)].v[0].v[0];
    }
    return true;
  }

  // For one block, whose parameters are in several places.
  static bool values(const F& f, const double* const* blocks, double* r) { return Slots::call(f, blocks, r); }
  static bool jacobian(const F& f, const double* const* blocks, double* r, double* J) {
    return jacobian_at(f, Point(blocks).data(), r, J);
  }
  static bool hessian(const F& f, const double* const* blocks, const double* weights, double* r, double* J,
                      double* H) {
    return hessian_at(f, Point(blocks).data(), weights, r, J, H);
  }
  static bool second_directional(const F& f, const double* const* blocks, const double* v, double* r_vv) {
    return second_directional_at(f, Point(blocks).data(), v, r_vv);
  }

 private:
  struct Point : std::array<double, static_cast<std::size_t>(columns)> {
    explicit Point(const double* const* blocks) { Slots::gather(blocks, this->data()); }
  };

  /// One column of every Hessian a pass: jets along chunks inside a dual number along the column.
  template <class S>
  static bool hessian_by_columns(const F& f, const S* point, const S* weights, S* H) {
    using Inner = Jet<S, detail::chunk_columns>;
    using Outer = Jet<Inner, 1>;
    for (int i = 0; i < triangle; ++i) {
      H[i] = S(0);
    }
    std::array<Outer, static_cast<std::size_t>(columns)> x;
    std::array<Outer, static_cast<std::size_t>(R)> out;
    for (int row = 0; row < columns; ++row) {
      for (int begin = 0; begin <= row; begin += detail::chunk_columns) {
        for (int i = 0; i < columns; ++i) {
          Outer xi = Outer(Inner(point[i]));
          if (i >= begin && i < begin + detail::chunk_columns) {
            xi.a.v[i - begin] = S(1);
          }
          xi.v[0] = Inner(S(i == row ? 1.0 : 0.0));
          x[static_cast<std::size_t>(i)] = xi;
        }
        if (!Slots::call(f, x.data(), out.data())) {
          return false;
        }
        for (int k = 0; k < R; ++k) {
          for (int j = begin; j <= row && j < begin + detail::chunk_columns; ++j) {
            H[row * (row + 1) / 2 + j] += weights[k] * out[static_cast<std::size_t>(k)].v[0].v[j - begin];
          }
        }
      }
    }
    return true;
  }
};

/// A functor that brings its Jacobian, with the signature
///   bool operator()(const double* const* parameters, double* residuals, double** jacobians) const
/// where jacobians is null, or jacobians[s] is null or R x N_s row-major. Second derivatives are central
/// differences of the Jacobian; results that use them say so.
template <class F, int R, int... N>
struct Analytic {
  using Functor = F;
  using Slots = detail::Slots<N...>;
  static constexpr int residuals = R;
  static constexpr SecondOrder second_order = SecondOrder::differences;
  static constexpr bool in_lanes = false;
  static constexpr int columns = Slots::columns;
  static constexpr int triangle = columns * (columns + 1) / 2;

  // Named, though never called, where a family would evaluate in lanes; a compiler looks them up.
  template <class... Arguments>
  static bool jacobian_at(const Arguments&...);
  template <class... Arguments>
  static bool hessian_at(const Arguments&...);
  template <class... Arguments>
  static bool second_directional_at(const Arguments&...);

  F functor;

  static bool values(const F& f, const double* const* blocks, double* r) { return f(blocks, r, nullptr); }

  static bool jacobian(const F& f, const double* const* blocks, double* r, double* J) {
    std::array<double, static_cast<std::size_t>(R * columns)> by_slot;
    std::array<double*, static_cast<std::size_t>(Slots::count)> pointers;
    for (int s = 0; s < Slots::count; ++s) {
      pointers[static_cast<std::size_t>(s)] = by_slot.data() + R * Slots::starts[static_cast<std::size_t>(s)];
    }
    if (!f(blocks, r, pointers.data())) {
      return false;
    }
    for (int s = 0; s < Slots::count; ++s) {
      const int size = Slots::sizes[static_cast<std::size_t>(s)];
      for (int k = 0; k < R; ++k) {
        for (int i = 0; i < size; ++i) {
          J[k * columns + Slots::starts[static_cast<std::size_t>(s)] + i] =
              pointers[static_cast<std::size_t>(s)][k * size + i];
        }
      }
    }
    return true;
  }

  /// Columns of sum_k w_k Hessian(r_k) = d/dx_j (J' w), by central differences with step eps^(1/3).
  static bool hessian(const F& f, const double* const* blocks, const double* weights, double* r, double* J,
                      double* S) {
    if (!jacobian(f, blocks, r, J)) {
      return false;
    }
    std::array<double, static_cast<std::size_t>(columns)> point;
    Slots::gather(blocks, point.data());
    std::array<const double*, static_cast<std::size_t>(Slots::count)> shifted;
    for (int s = 0; s < Slots::count; ++s) {
      shifted[static_cast<std::size_t>(s)] = point.data() + Slots::starts[static_cast<std::size_t>(s)];
    }
    std::array<double, static_cast<std::size_t>(R)> w;
    for (int k = 0; k < R; ++k) {
      w[static_cast<std::size_t>(k)] = weights != nullptr ? weights[k] : r[k];
    }
    std::array<double, static_cast<std::size_t>(columns * columns)> H{};
    std::array<double, static_cast<std::size_t>(R)> side_r;
    std::array<double, static_cast<std::size_t>(R * columns)> side_J;
    for (int j = 0; j < columns; ++j) {
      double& xj = point[static_cast<std::size_t>(j)];
      const double centre = xj;
      const double h = std::cbrt(epsilon) * (1.0 + std::fabs(centre));
      for (const double side : {1.0, -1.0}) {
        xj = centre + side * h;
        if (!jacobian(f, shifted.data(), side_r.data(), side_J.data())) {
          return false;
        }
        for (int k = 0; k < R; ++k) {
          for (int i = 0; i < columns; ++i) {
            H[static_cast<std::size_t>(i * columns + j)] +=
                side * w[static_cast<std::size_t>(k)] * side_J[static_cast<std::size_t>(k * columns + i)] /
                (2.0 * h);
          }
        }
      }
      xj = centre;
    }
    for (int i = 0; i < columns; ++i) {
      for (int j = 0; j <= i; ++j) {
        S[i * (i + 1) / 2 + j] = 0.5 * (H[static_cast<std::size_t>(i * columns + j)] +
                                        H[static_cast<std::size_t>(j * columns + i)]);
      }
    }
    return true;
  }

  /// (J(x + h v) - J(x - h v)) v / 2h.
  static bool second_directional(const F& f, const double* const* blocks, const double* v, double* r_vv) {
    std::array<double, static_cast<std::size_t>(columns)> centre;
    std::array<double, static_cast<std::size_t>(columns)> point;
    Slots::gather(blocks, centre.data());
    std::array<const double*, static_cast<std::size_t>(Slots::count)> shifted;
    for (int s = 0; s < Slots::count; ++s) {
      shifted[static_cast<std::size_t>(s)] = point.data() + Slots::starts[static_cast<std::size_t>(s)];
    }
    double largest_x = 0;
    double largest_v = 0;
    for (int i = 0; i < columns; ++i) {
      largest_x = std::fmax(largest_x, std::fabs(centre[static_cast<std::size_t>(i)]));
      largest_v = std::fmax(largest_v, std::fabs(v[i]));
    }
    for (int k = 0; k < R; ++k) {
      r_vv[k] = 0;
    }
    if (largest_v == 0) {
      return true;
    }
    const double h = std::cbrt(epsilon) * (1.0 + largest_x) / largest_v;
    std::array<double, static_cast<std::size_t>(R)> side_r;
    std::array<double, static_cast<std::size_t>(R * columns)> side_J;
    for (const double side : {1.0, -1.0}) {
      for (int i = 0; i < columns; ++i) {
        point[static_cast<std::size_t>(i)] = centre[static_cast<std::size_t>(i)] + side * h * v[i];
      }
      if (!jacobian(f, shifted.data(), side_r.data(), side_J.data())) {
        return false;
      }
      for (int k = 0; k < R; ++k) {
        for (int i = 0; i < columns; ++i) {
          r_vv[k] += side * side_J[static_cast<std::size_t>(k * columns + i)] * v[i] / (2.0 * h);
        }
      }
    }
    return true;
  }
};

/// Wraps a templated functor: R residuals, parameter blocks of sizes N...
template <int R, int... N, class F>
AutoDiff<F, R, N...> autodiff(F functor) {
  return {std::move(functor)};
}

/// Wraps a functor with a Jacobian of its own.
template <int R, int... N, class F>
Analytic<F, R, N...> analytic(F functor) {
  return {std::move(functor)};
}

/// The blocks of one Term type.
template <class Term>
class TypedFamily final : public ResidualFamily {
 public:
  void append(Term term) {
    functors_.push_back(std::move(term.functor));
    groups_.append(functors_.size());
  }

  void reserve(Index more) override {
    functors_.reserve(functors_.size() + static_cast<std::size_t>(more));
    groups_.reserve(functors_.capacity());
  }

  int residuals() const override { return Term::residuals; }
  std::span<const int> sizes() const override { return Term::Slots::sizes; }
  int columns() const override { return Term::columns; }
  SecondOrder second_order_kind() const override { return Term::second_order; }

  Index values(const BlockRange& range, double* r) const override {
    return each(
        range,
        [&](const auto& group, Index b, const auto& evaluate) {
          using Number = Jet<detail::LaneScalar, 0>;
          std::array<Number, columns_> x;
          std::array<Number, R> out;
          std::array<detail::LaneScalar, columns_> point;
          std::array<detail::LaneScalar, R> value;
          group.load(point.data());
          std::copy(point.begin(), point.end(), x.begin());
          return evaluate([&] { return Term::Slots::call(group.functor(), x.data(), out.data()); },
                          [&] {
                            for (std::size_t k = 0; k < R; ++k) {
                              value[k] = out[k].a;
                            }
                            group.template scatter<Term::residuals>(value.data(), r + b * Term::residuals);
                          });
        },
        [&](const auto& f, const double* const* x, Index b) {
          return Term::values(f, x, r + b * Term::residuals);
        });
  }
  Index jacobians(const BlockRange& range, double* r, double* J) const override {
    return each(
        range,
        [&](const auto& group, Index b, const auto& evaluate) {
          std::array<detail::LaneScalar, columns_> point;
          std::array<detail::LaneScalar, R> value;
          std::array<detail::LaneScalar, R * columns_> jacobian;
          group.load(point.data());
          return evaluate(
              [&] { return Term::jacobian_at(group.functor(), point.data(), value.data(), jacobian.data()); },
              [&] {
                group.template scatter<Term::residuals>(value.data(), r + b * Term::residuals);
                group.template scatter<Term::residuals * Term::columns>(
                    jacobian.data(), J + b * Term::residuals * Term::columns);
              });
        },
        [&](const auto& f, const double* const* x, Index b) {
          return Term::jacobian(f, x, r + b * Term::residuals, J + b * Term::residuals * Term::columns);
        });
  }
  Index jacobian_columns(const BlockRange& range, double* r, double* A, Index stride) const override {
    if constexpr (Term::residuals == 1) {
      return each(
          range,
          [&](const auto& group, Index b, const auto& evaluate) {
            std::array<detail::LaneScalar, columns_> point;
            std::array<detail::LaneScalar, 1> value;
            std::array<detail::LaneScalar, columns_> gradient;
            group.load(point.data());
            return evaluate(
                [&] {
                  return Term::jacobian_at(group.functor(), point.data(), value.data(), gradient.data());
                },
                [&] {
                  group.store_columns(value.data(), 1, r + b, 1);
                  group.store_columns(gradient.data(), Term::columns, A + b, stride);
                });
          },
          [&](const auto& f, const double* const* x, Index b) {
            std::array<double, columns_> gradient;
            if (!Term::jacobian(f, x, r + b, gradient.data())) {
              return false;
            }
            for (std::size_t i = 0; i < columns_; ++i) {
              A[static_cast<Index>(i) * stride + b] = gradient[i];
            }
            return true;
          });
    } else {
      return ResidualFamily::jacobian_columns(range, r, A, stride);
    }
  }
  Index hessians(const BlockRange& range, const double* weights, double* r, double* J,
                 double* S) const override {
    return each < Term::in_lanes &&
           Term::columns <= detail::lane_hessian_columns >
               (
                   range,
                   [&](const auto& group, Index b, const auto& evaluate) {
                     std::array<detail::LaneScalar, columns_> point;
                     std::array<detail::LaneScalar, R> weight;
                     std::array<detail::LaneScalar, R> value;
                     std::array<detail::LaneScalar, R * columns_> jacobian;
                     std::array<detail::LaneScalar, static_cast<std::size_t>(Term::triangle)> second;
                     group.load(point.data());
                     if (weights != nullptr) {
                       group.gather(weights + b * Term::residuals, Term::residuals, weight.data());
                     }
                     return evaluate(
                         [&] {
                           return Term::hessian_at(group.functor(), point.data(),
                                                   weights != nullptr ? weight.data() : nullptr, value.data(),
                                                   jacobian.data(), second.data());
                         },
                         [&] {
                           group.template scatter<Term::residuals>(value.data(), r + b * Term::residuals);
                           group.template scatter<Term::residuals * Term::columns>(
                               jacobian.data(), J + b * Term::residuals * Term::columns);
                           group.template scatter<Term::triangle>(second.data(), S + b * Term::triangle);
                         });
                   },
                   [&](const auto& f, const double* const* x, Index b) {
                     return Term::hessian(f, x, weights != nullptr ? weights + b * Term::residuals : nullptr,
                                          r + b * Term::residuals, J + b * Term::residuals * Term::columns,
                                          S + b * Term::triangle);
                   });
  }
  Index second_directional(const BlockRange& range, const double* v, double* r_vv) const override {
    return each(
        range,
        [&](const auto& group, Index b, const auto& evaluate) {
          std::array<detail::LaneScalar, columns_> point;
          std::array<detail::LaneScalar, columns_> direction;
          std::array<detail::LaneScalar, R> value;
          group.load(point.data());
          group.gather(v + b * Term::columns, Term::columns, direction.data());
          return evaluate(
              [&] {
                return Term::second_directional_at(group.functor(), point.data(), direction.data(),
                                                   value.data());
              },
              [&] { group.template scatter<Term::residuals>(value.data(), r_vv + b * Term::residuals); });
        },
        [&](const auto& f, const double* const* x, Index b) {
          return Term::second_directional(f, x, v + b * Term::columns, r_vv + b * Term::residuals);
        });
  }

 private:
  static constexpr auto R = static_cast<std::size_t>(Term::residuals);
  static constexpr auto columns_ = static_cast<std::size_t>(Term::columns);

  /// together(group, b, evaluate) for the groups within the range that can be evaluated in lanes, alone(f, x,
  /// b) for the other blocks; b counts from the range's first block.
  template <bool in_lanes = Term::in_lanes, class TogetherVisit, class AloneVisit>
  Index each(const BlockRange& range, const TogetherVisit& together, const AloneVisit& alone) const {
    for (Index b = 0; b < range.count;) {
      const auto* functor = functors_.data() + range.first + b;
      const double* const* x = range.parameters + (range.shared() ? 0 : b * Term::Slots::count);
      if constexpr (in_lanes) {
        const Index first = range.first + b;
        if (const int blocks = groups_.size(first, range.first + range.count); blocks > 0) {
          const detail::LaneGroup<Term> group(functor, blocks, x, range.shared());
          const auto evaluate = [&](const auto& compute, const auto& deliver) {
            return groups_.evaluate(first, group, compute, deliver);
          };
          const detail::Together outcome = together(group, b, evaluate);
          if (outcome == detail::Together::refused) {
            return first;
          }
          if (outcome == detail::Together::yes) {
            b += blocks;
            continue;
          }
        }
      }
      if (!alone(*functor, x, b)) {
        return range.first + b;
      }
      ++b;
    }
    return -1;
  }

  std::vector<typename Term::Functor> functors_;
  detail::LaneGroups<Term> groups_;
};

}  // namespace kappa

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
