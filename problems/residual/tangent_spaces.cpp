// Tangent spaces of a ResidualProblem, and moving along its manifolds block by block.
#include "problems/residual/tangent_spaces.h"

#include <cmath>

#include "core/parallel.h"
#include "core/scratch.h"

namespace kappa::detail {
namespace {

constexpr Index curved_per_chunk = 64;
constexpr double work_per_curved = 200;  // multiply-adds of one plus, say

/// body(number) for all curved blocks, in parallel.
template <class Body>
void for_each_curved(const Layout& layout, const Body& body) {
  const Partition parts{static_cast<Index>(layout.curved.size()), curved_per_chunk};
  for_each_chunk(parts.chunks(), work_per_curved * static_cast<double>(parts.items), [&](Index c) {
    for (Index i = parts.begin(c); i < parts.end(c); ++i) {
      body(i);
    }
  });
}

/// The flat entries of x that follow a curved block, up to the next one; number -1: those before the first.
struct FlatRun {
  Index offset = 0;
  Index tangent_offset = 0;
  Index count = 0;

  FlatRun(const Layout& layout, Index number) {
    if (number >= 0) {
      const CurvedBlock& block = layout.curved[at(number)];
      offset = block.offset + block.manifold->ambient_size();
      tangent_offset = block.tangent_offset + block.manifold->tangent_size();
    }
    const bool last = number + 1 == static_cast<Index>(layout.curved.size());
    count = (last ? layout.dimension : layout.curved[at(number + 1)].offset) - offset;
  }
};

/// curved(block) for all blocks on manifolds and flat(run) for what lies between.
template <class Curved, class Flat>
void for_each_part(const Layout& layout, const Curved& curved, const Flat& flat) {
  flat(FlatRun(layout, -1));
  for_each_curved(layout, [&](Index i) {
    curved(layout.curved[at(i)]);
    flat(FlatRun(layout, i));
  });
}

ConstVectorRef ambient(const CurvedBlock& block, ConstVectorRef x) {
  return x.subspan(at(block.offset), at(block.manifold->ambient_size()));
}
VectorRef ambient(const CurvedBlock& block, VectorRef x) {
  return x.subspan(at(block.offset), at(block.manifold->ambient_size()));
}
ConstVectorRef tangent(const CurvedBlock& block, ConstVectorRef v) {
  return v.subspan(at(block.tangent_offset), at(block.manifold->tangent_size()));
}
VectorRef tangent(const CurvedBlock& block, VectorRef v) {
  return v.subspan(at(block.tangent_offset), at(block.manifold->tangent_size()));
}

/// row[0 .. m) = row[0 .. n) P for `count` rows; n and m known at compile time unless 0.
template <int N, int M>
void project_rows(double* rows, Index count, Index stride, const double* P, Index n, Index m) {
  if constexpr (N != 0) {
    n = N;
    m = M;
  }
  constexpr std::size_t known = M != 0 ? static_cast<std::size_t>(M) : 16;
  SmallScratch<double, known> sum(m);
  for (Index k = 0; k < count; ++k) {
    double* row = rows + k * stride;
    for (Index j = 0; j < m; ++j) {
      sum[j] = row[0] * P[j];
    }
    for (Index i = 1; i < n; ++i) {
      for (Index j = 0; j < m; ++j) {
        sum[j] += row[i] * P[i * m + j];
      }
    }
    std::copy(sum.data(), sum.data() + m, row);
  }
}

void project_rows(double* rows, Index count, Index stride, const double* P, const Manifold& manifold) {
  const Index n = manifold.ambient_size();
  const Index m = manifold.tangent_size();
  if (n == 4 && m == 3) {
    return project_rows<4, 3>(rows, count, stride, P, n, m);
  }
  if (n == 7 && m == 6) {
    return project_rows<7, 6>(rows, count, stride, P, n, m);
  }
  if (n == 3 && m == 3) {
    return project_rows<3, 3>(rows, count, stride, P, n, m);
  }
  if (n == 3 && m == 2) {
    return project_rows<3, 2>(rows, count, stride, P, n, m);
  }
  project_rows<0, 0>(rows, count, stride, P, n, m);
}

void transpose(double* A, Index n) {
  for (Index i = 0; i < n; ++i) {
    for (Index j = 0; j < i; ++j) {
      std::swap(A[i * n + j], A[j * n + i]);
    }
  }
}

}  // namespace

Index TangentSpaces::refresh(const Layout& layout, ConstVectorRef x) {
  layout_ = &layout;
  x_.assign(x.begin(), x.end());
  P_.resize(at(layout.projections));
  std::atomic<Index> astray = static_cast<Index>(layout.curved.size());
  for_each_curved(layout, [&](Index number) {
    const CurvedBlock& block = layout.curved[at(number)];
    const Manifold& manifold = *block.manifold;
    const ConstVectorRef point = ambient(block, x);
    if (!manifold.contains(point)) {
      Index lowest = astray.load();
      while (number < lowest && !astray.compare_exchange_weak(lowest, number)) {
      }
      return;
    }
    const Index n = manifold.ambient_size();
    const Index m = manifold.tangent_size();
    SmallScratch<double, 64> columns(n * m);
    manifold.plus_jacobian(point, {columns.data(), n, m, n});
    double* P = P_.data() + block.projection;
    for (Index i = 0; i < n; ++i) {
      for (Index j = 0; j < m; ++j) {
        P[i * m + j] = columns[i + j * n];
      }
    }
  });
  const Index first = astray.load();
  return first < static_cast<Index>(layout.curved.size()) ? layout.curved[at(first)].parameter : -1;
}

void TangentSpaces::project(const Family& family, const std::int32_t* parameters, const double* w, double* J,
                            double* S) const {
  const Index N = family.columns;
  const Index R = family.residuals;
  SmallScratch<double, batch_numbers> A(S != nullptr ? N * N : 0);
  SmallScratch<double, 64> bend(S != nullptr ? N * N : 0);
  SmallScratch<double, 64> pull(N);
  for (Index i = 0; S != nullptr && i < N; ++i) {
    for (Index j = 0; j <= i; ++j) {
      A[i * N + j] = A[j * N + i] = S[i * (i + 1) / 2 + j];
    }
  }
  // S P, then P'(S P) as the transposed of (P'S)' P, then the bends on the diagonal.
  for (int pass = 0; S != nullptr && pass < 2; ++pass) {
    for (int s = 0; s < family.slots; ++s) {
      if (const CurvedBlock* const block = curved(parameters[s])) {
        project_rows(A.data() + family.column[at(s)], N, N, projection(*block), *block->manifold);
      }
    }
    transpose(A.data(), N);
  }
  for (int s = 0; s < family.slots; ++s) {
    const CurvedBlock* const block = curved(parameters[s]);
    if (block == nullptr) {
      continue;
    }
    const Index first = family.column[at(s)];
    if (S != nullptr) {
      const Index n = block->manifold->ambient_size();
      const Index m = block->manifold->tangent_size();
      for (Index i = 0; i < n; ++i) {
        pull[i] = 0;
        for (Index k = 0; k < R; ++k) {
          pull[i] += w[k] * J[k * N + first + i];
        }
      }
      block->manifold->plus_second(ambient(*block, ConstVectorRef(x_)), {pull.data(), at(n)},
                                   {bend.data(), m, m, m});
      for (Index i = 0; i < m; ++i) {
        for (Index j = 0; j < m; ++j) {
          A[(first + i) * N + first + j] += bend[i + j * m];
        }
      }
    }
    project_rows(J + first, R, N, projection(*block), *block->manifold);
  }
  for (Index i = 0; S != nullptr && i < N; ++i) {
    for (Index j = 0; j <= i; ++j) {
      S[i * (i + 1) / 2 + j] = A[i * N + j];
    }
  }
}

void TangentSpaces::curve(ConstVectorRef v, VectorRef direction, VectorRef bend) const {
  for_each_part(
      *layout_,
      [&](const CurvedBlock& block) {
        const Index n = block.manifold->ambient_size();
        const Index m = block.manifold->tangent_size();
        const double* P = projection(block);
        const double* step = v.data() + block.tangent_offset;
        SmallScratch<double, 64> unit(n);
        SmallScratch<double, 64> S(m * m);
        std::fill(unit.data(), unit.data() + n, 0.0);
        for (Index i = 0; i < n; ++i) {
          unit[i] = 1;
          block.manifold->plus_second(ambient(block, ConstVectorRef(x_)), {unit.data(), at(n)},
                                      {S.data(), m, m, m});
          unit[i] = 0;
          double along = 0;
          double twice = 0;
          for (Index j = 0; j < m; ++j) {
            along += P[i * m + j] * step[j];
            for (Index k = 0; k < m; ++k) {
              twice += step[j] * S[k + j * m] * step[k];
            }
          }
          direction[at(block.offset + i)] = along;
          bend[at(block.offset + i)] = twice;
        }
      },
      [&](const FlatRun& run) {
        std::copy_n(v.begin() + run.tangent_offset, run.count, direction.begin() + run.offset);
        std::fill_n(bend.begin() + run.offset, run.count, 0.0);
      });
}

void move_along(const Layout& layout, ConstVectorRef x, ConstVectorRef step, VectorRef out) {
  for_each_part(
      layout,
      [&](const CurvedBlock& block) {
        block.manifold->plus(ambient(block, x), tangent(block, step), ambient(block, out));
      },
      [&](const FlatRun& run) {
        for (Index i = 0; i < run.count; ++i) {
          out[at(run.offset + i)] = x[at(run.offset + i)] + step[at(run.tangent_offset + i)];
        }
      });
}

void difference(const Layout& layout, ConstVectorRef x, ConstVectorRef y, VectorRef step) {
  for_each_part(
      layout,
      [&](const CurvedBlock& block) {
        block.manifold->minus(ambient(block, y), ambient(block, x), tangent(block, step));
      },
      [&](const FlatRun& run) {
        for (Index i = 0; i < run.count; ++i) {
          step[at(run.tangent_offset + i)] = y[at(run.offset + i)] - x[at(run.offset + i)];
        }
      });
}

void carry_along(const Layout& layout, ConstVectorRef x, ConstVectorRef step, ConstVectorRef v,
                 VectorRef out) {
  for_each_part(
      layout,
      [&](const CurvedBlock& block) {
        block.manifold->transport(ambient(block, x), tangent(block, step), tangent(block, v),
                                  tangent(block, out));
      },
      [&](const FlatRun& run) {
        std::copy_n(v.begin() + run.tangent_offset, run.count, out.begin() + run.tangent_offset);
      });
}

void scale_of(const Layout& layout, ConstVectorRef x, VectorRef out) {
  for_each_part(
      layout,
      [&](const CurvedBlock& block) {
        const Index n = block.manifold->ambient_size();
        const Index m = block.manifold->tangent_size();
        SmallScratch<double, 64> P(n * m);
        block.manifold->plus_jacobian(ambient(block, x), {P.data(), n, m, n});
        for (Index j = 0; j < m; ++j) {
          double along = 0;
          double square = 0;
          for (Index i = 0; i < n; ++i) {
            along += P[i + j * n] * x[at(block.offset + i)];
            square += P[i + j * n] * P[i + j * n];
          }
          out[at(block.tangent_offset + j)] = std::fmax(std::fabs(along) / square, 1.0);
        }
      },
      [&](const FlatRun& run) {
        std::copy_n(x.begin() + run.offset, run.count, out.begin() + run.tangent_offset);
      });
}

}  // namespace kappa::detail
