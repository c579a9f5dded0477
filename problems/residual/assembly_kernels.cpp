#include "problems/residual/assembly_kernels.h"

#include <cmath>

#include "core/wide_vectors.h"

namespace kappa::detail {
namespace {

/// The widest vector of at most `Widest` lanes that `rows` fill.
constexpr int lanes_for(int rows, int widest) {
  int lanes = 1;
  while (2 * lanes <= rows && 2 * lanes <= widest) {
    lanes *= 2;
  }
  return lanes;
}

template <int Lanes>
struct Rows {
  using type = typename Vector<Lanes>::type;
};
template <>
struct Rows<1> {
  typedef double type __attribute__((may_alias));
};

/// to (rows Begin ... Size - 1 of a column-major Size x Cols block) += w A'B, or = where `assign`.
template <int R, int Size, int Cols, int Widest, bool Diagonal, int Begin = 0>
[[gnu::always_inline]] inline void add_rows(const double* const (&A)[R], const double* const (&B)[R],
                                            double w, bool assign, double* to) {
  if constexpr (Begin < Size) {
    constexpr int lanes = lanes_for(Size - Begin, Widest);
    using Vec = typename Rows<lanes>::type;
    Vec a[R];
#pragma GCC unroll 8
    for (int k = 0; k < R; ++k) {
      a[k] = *reinterpret_cast<const Vec*>(A[k] + Begin);
    }
    constexpr int first = Diagonal ? Begin : 0;
#pragma GCC unroll 16
    for (int j = first; j < Cols; ++j) {
      Vec sum = a[0] * B[0][j];
#pragma GCC unroll 8
      for (int k = 1; k < R; ++k) {
        sum += a[k] * B[k][j];
      }
      Vec& out = *reinterpret_cast<Vec*>(to + Begin + j * Size);
      if (assign) {
        out = w * sum;
      } else {
        out += w * sum;
      }
    }
    add_rows<R, Size, Cols, Widest, Diagonal, Begin + lanes>(A, B, w, assign, to);
  }
}

/// Each row has a register of its own; else a compiler computes the address of every entry.
template <int R>
[[gnu::always_inline]] inline void rows_of(const double* first, Index stride, const double* (&row)[R]) {
#pragma GCC unroll 8
  for (int k = 0; k < R; ++k) {
    row[k] = first + k * stride;
    asm("" : "+r"(row[k]));
  }
}

template <int R, int Size, int Cols, int Widest, bool Diagonal>
[[gnu::always_inline]] inline void add_block(const double* const (&a)[R], const double* const (&b)[R],
                                             double w, const ScatteredSums::Place& place) {
  if (place.first) {
    add_rows<R, Size, Cols, Widest, Diagonal>(a, b, w, true, place.to);
  } else {
    add_rows<R, Size, Cols, Widest, Diagonal>(a, b, w, false, place.to);
  }
}

template <int R, int Size, int Cols, int Widest, bool Diagonal>
[[gnu::always_inline]] inline void add_all(const OuterTask& t) {
  const double* A = t.A.first;
  const double* B = t.B.first;
  const double* outer = t.outer;
  Index contribution = t.contribution;
  for (Index i = 0; i < t.count; ++i) {
    const ScatteredSums::Place place = t.sums.place(contribution, t.values, t.start);
    if (place.to != nullptr) {
      const double* a[R];
      const double* b[R];
      rows_of(A, t.A.stride, a);
      rows_of(B, t.B.stride, b);
      if (!Diagonal && Cols > 1 && place.is_transposed) {
        add_block<R, Cols, Size, Widest, false>(b, a, *outer, place);
      } else {
        add_block<R, Size, Cols, Widest, Diagonal>(a, b, *outer, place);
      }
    }
    A += t.A.step;
    B += t.B.step;
    outer += t.outer_step;
    contribution += t.contribution_step;
  }
}

/// absolute_sum by vectors of `Lanes` columns, the last one overlapping that before it.
template <int Lanes, int Vectors>
[[gnu::always_inline]] inline double sum_absolute(const AbsoluteTask& t) {
  using Vec = typename Vector<Lanes>::type;
  const Index last = t.columns - Lanes;
  Vec fresh;  // 1 in the lanes of the last vector that no other has
  for (int l = 0; l < Lanes; ++l) {
    fresh[l] = last + l >= (Vectors - 1) * Lanes ? 1.0 : 0.0;
  }
  Vec total[Vectors] = {};
  const double* u = t.u;
  const double* J = t.J;
  const double* x = t.x;
  for (Index b = 0; b < t.blocks; ++b, x += t.columns) {
    Vec column[Vectors] = {};
    for (Index k = 0; k < t.residuals; ++k, J += t.columns, ++u) {
#pragma GCC unroll 4
      for (int v = 0; v < Vectors; ++v) {
        const Vec product = *u * *reinterpret_cast<const Vec*>(J + (v + 1 < Vectors ? v * Lanes : last));
        column[v] += product < 0 ? -product : product;
      }
    }
#pragma GCC unroll 4
    for (int v = 0; v + 1 < Vectors; ++v) {
      total[v] += column[v] * *reinterpret_cast<const Vec*>(x + v * Lanes);
    }
    total[Vectors - 1] += column[Vectors - 1] * (fresh * *reinterpret_cast<const Vec*>(x + last));
  }
  double sum = 0;
  for (int v = 0; v < Vectors; ++v) {
    for (int l = 0; l < Lanes; ++l) {
      sum += total[v][l];
    }
  }
  return sum;
}

template <int Vectors>
struct AbsoluteSum {
  KAPPA_VECTORS_512 static double wide(const AbsoluteTask& t) { return sum_absolute<8, Vectors>(t); }
  KAPPA_VECTORS_256 static double middle(const AbsoluteTask& t) { return sum_absolute<4, Vectors>(t); }
  static double narrow(const AbsoluteTask& t) { return sum_absolute<2, Vectors>(t); }
};

double sum_absolute_any(const AbsoluteTask& t) {
  double sum = 0;
  for (Index b = 0; b < t.blocks; ++b) {
    for (Index k = 0; k < t.residuals; ++k) {
      const double* row = t.J + (b * t.residuals + k) * t.columns;
      double along = 0;
      for (Index j = 0; j < t.columns; ++j) {
        along += std::fabs(row[j]) * t.x[b * t.columns + j];
      }
      sum += std::fabs(t.u[b * t.residuals + k]) * along;
    }
  }
  return sum;
}

/// A kernel for each width of vectors, of which version() is that for this processor.
template <int R, int Size, int Cols, bool Diagonal>
struct Outer {
  KAPPA_VECTORS_512 static void wide(const OuterTask& t) { add_all<R, Size, Cols, 8, Diagonal>(t); }
  KAPPA_VECTORS_256 static void middle(const OuterTask& t) { add_all<R, Size, Cols, 4, Diagonal>(t); }
  static void narrow(const OuterTask& t) { add_all<R, Size, Cols, 2, Diagonal>(t); }
};

template <class Versions>
auto version() {
  static const int width = vector_width();
  return width == 512 ? &Versions::wide : width == 256 ? &Versions::middle : &Versions::narrow;
}

template <int R, int Size>
OuterKernel off_diagonal_kernel(int cols) {
  switch (cols) {
    case 3:
      return version<Outer<R, Size, 3, false>>();
    case 6:
      return version<Outer<R, Size, 6, false>>();
    case 9:
      return version<Outer<R, Size, 9, false>>();
    default:
      return nullptr;
  }
}

template <int R>
OuterKernel outer_kernel_of(int rows, int cols, bool diagonal) {
  switch (rows) {
    case 3:
      return diagonal ? version<Outer<R, 3, 3, true>>() : off_diagonal_kernel<R, 3>(cols);
    case 6:
      return diagonal ? version<Outer<R, 6, 6, true>>() : off_diagonal_kernel<R, 6>(cols);
    case 9:
      return diagonal ? version<Outer<R, 9, 9, true>>() : off_diagonal_kernel<R, 9>(cols);
    default:
      return nullptr;
  }
}

template <int R>
OuterKernel transposed_kernel_of(int size) {
  switch (size) {
    case 3:
      return version<Outer<R, 3, 1, false>>();
    case 6:
      return version<Outer<R, 6, 1, false>>();
    case 9:
      return version<Outer<R, 9, 1, false>>();
    default:
      return nullptr;
  }
}

}  // namespace

OuterKernel outer_kernel(int residuals, int rows, int cols, bool diagonal) {
  switch (residuals) {
    case 2:
      return outer_kernel_of<2>(rows, cols, diagonal);
    case 3:
      return outer_kernel_of<3>(rows, cols, diagonal);
    case 6:
      return rows == 6 && cols == 6 ? outer_kernel_of<6>(rows, cols, diagonal) : nullptr;
    default:
      return nullptr;
  }
}

OuterKernel transposed_kernel(int residuals, int size) {
  switch (residuals) {
    case 2:
      return transposed_kernel_of<2>(size);
    case 3:
      return transposed_kernel_of<3>(size);
    case 6:
      return transposed_kernel_of<6>(size);
    default:
      return nullptr;
  }
}

double absolute_sum(const AbsoluteTask& t) {
  static const Index lanes = vector_width() / 64;
  switch (t.columns < lanes ? 0 : (t.columns + lanes - 1) / lanes) {
    case 1:
      return version<AbsoluteSum<1>>()(t);
    case 2:
      return version<AbsoluteSum<2>>()(t);
    case 3:
      return version<AbsoluteSum<3>>()(t);
    case 4:
      return version<AbsoluteSum<4>>()(t);
    default:
      return sum_absolute_any(t);
  }
}

}  // namespace kappa::detail
