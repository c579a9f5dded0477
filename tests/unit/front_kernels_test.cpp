// The dense kernels of a front, for every vector width this processor has, against dense arithmetic.
#include "core/front_kernels.h"

#include <Eigen/Dense>
#include <array>
#include <cmath>
#include <vector>

#include "kappa/random.h"
#include "support/catch.h"
#include "support/dense_solve.h"

namespace {

using namespace kappa;
using namespace kappa::detail;
using Matrix = Eigen::MatrixXd;
using Vector = Eigen::VectorXd;

/// A front of a definite matrix: `width` columns to eliminate and `height` rows below.
class TestFront {
 public:
  TestFront(Index width, Index below, std::uint64_t seed)
      : panel{nullptr, width, slivers(width), slivers(below)}, n(width + below) {
    RandomSequence random(seed);
    Matrix R(n, n);
    for (Index e = 0; e < R.size(); ++e) {
      R.data()[e] = random.normal();
    }
    A = R * R.transpose() + static_cast<double>(n) * Matrix::Identity(n, n);
    values.assign(static_cast<std::size_t>(panel.size()), 0.0);
    panel.data = values.data();
    for (Index j = 0; j < width; ++j) {
      for (Index i = j; i < n; ++i) {
        entry(i, j) = A(i, j);
      }
    }
    least.assign(static_cast<std::size_t>(width), 0.0);
    inverse.assign(static_cast<std::size_t>(width), 0.0);
    update_values.assign(static_cast<std::size_t>(Update::begin(panel.below) + 2 * sliver), std::nan(""));
    update.data = update_values.data() + sliver;
  }

  /// Row i of the front, counted without the padding.
  Index padded(Index i) const { return i < panel.width ? i : i - panel.width + sliver * panel.triangle; }
  double& entry(Index i, Index j) const { return panel.row(padded(i))[j * sliver]; }
  double update_entry(Index i, Index j) const {
    return update.sliver_begin(i / sliver)[sliver * j + i % sliver];
  }

  /// As BlockCholesky does it, `block` columns at once.
  Index factor(const FrontKernels& kernels, Index block) {
    const Index end = panel.triangle + panel.below;
    for (Index first = 0; first < panel.width; first += block) {
      const Index last = std::min(first + block, panel.width);
      kernels.subtract_columns(panel, first, last, first / sliver, end);
      const Index failed = kernels.factor_triangle(panel, first, last, least.data(), inverse.data(), &pivot);
      if (failed >= 0) {
        return failed;
      }
      kernels.solve_rows(panel, first, last, inverse.data(), slivers(last), end);
    }
    return -1;
  }

  Panel panel;
  Index n;
  Matrix A;
  std::vector<double> values, least, inverse, update_values;
  Update update;
  double pivot = 0;
};

constexpr std::array<std::array<Index, 2>, 9> shapes = {
    {{1, 0}, {3, 5}, {6, 30}, {8, 8}, {9, 18}, {13, 0}, {33, 70}, {100, 41}, {200, 130}}};

}  // namespace

TEST_CASE("front kernels factor a panel and form the Schur complement") {
  for (const FrontKernels& kernels : runnable_front_kernels()) {
    for (const auto& [width, height] : shapes) {
      for (const Index block : {Index{8}, Index{96}, Index{1000}}) {
        CAPTURE(width, height, block);
        TestFront front(width, height, 1);
        REQUIRE(front.factor(kernels, block) == -1);
        const Matrix L = test::cholesky(front.A);
        double error = 0;
        for (Index j = 0; j < width; ++j) {
          for (Index i = j; i < front.n; ++i) {
            error = std::max(error, std::abs(front.entry(i, j) - L(i, j)));
          }
          error = std::max(error, std::abs(front.inverse[static_cast<std::size_t>(j)] * L(j, j) - 1));
        }
        CHECK(error <= 1e-12 * front.A.norm());
        // In tiles of two slivers.
        for (Index i = 0; i < front.panel.below; i += 2) {
          for (Index j = 0; j <= i; j += 2) {
            kernels.square(front.panel, front.update, i, std::min(i + 2, front.panel.below), j,
                           std::min(j + 2, front.panel.below));
          }
        }
        const Matrix below = L.block(width, 0, height, width);
        const Matrix expected = -test::product(below, Matrix(below.transpose()));
        error = 0;
        for (Index j = 0; j < height; ++j) {
          for (Index i = j; i < height; ++i) {
            error = std::max(error, std::abs(front.update_entry(i, j) - expected(i, j)));
          }
        }
        CHECK(error <= 1e-12 * front.A.norm());
      }
    }
  }
}

TEST_CASE("front kernels name the column of a failed pivot") {
  for (const FrontKernels& kernels : runnable_front_kernels()) {
    for (const Index bad : {0, 3, 7, 8, 12, 30}) {
      CAPTURE(bad);
      TestFront front(31, 4, 2);
      front.entry(bad, bad) = -1;
      CHECK(front.factor(kernels, 96) == bad);
      CHECK(front.pivot < 0);
      TestFront poisoned(31, 4, 2);
      poisoned.entry(bad, bad) = std::nan("");
      CHECK(poisoned.factor(kernels, 96) == bad);
      TestFront huge(31, 4, 2);
      huge.entry(bad, bad) = infinity;
      CHECK(huge.factor(kernels, 96) == bad);
      TestFront small(31, 4, 2);
      small.least[static_cast<std::size_t>(bad)] = 1e9;
      CHECK(small.factor(kernels, 96) == bad);
    }
  }
}

TEST_CASE("front kernels solve with the panel, forward and backward") {
  for (const FrontKernels& kernels : runnable_front_kernels()) {
    for (const auto& [width, height] : shapes) {
      CAPTURE(width, height);
      TestFront front(width, height, 3);
      REQUIRE(front.factor(kernels, 96) == -1);
      const Matrix L = test::cholesky(front.A);
      const Matrix triangle = L.topLeftCorner(width, width);
      const Matrix below = L.block(width, 0, height, width);
      RandomSequence random(4);
      Vector y(width);
      Vector z = Vector::Zero(sliver * front.panel.below);
      for (double& v : y) {
        v = random.normal();
      }
      const Vector forward = triangle.triangularView<Eigen::Lower>().solve(y);
      kernels.forward(front.panel, front.inverse.data(), y.data());
      kernels.forward_below(front.panel, y.data(), z.data(), 0, front.panel.below);
      CHECK((y - forward).norm() <= 1e-12 * forward.norm());
      CHECK((z.head(height) + below * forward).norm() <= 1e-12 * forward.norm() * L.norm());
      const Vector backward =
          triangle.transpose().triangularView<Eigen::Upper>().solve(y - below.transpose() * z.head(height));
      kernels.backward_below(front.panel, z.data(), y.data(), 0, width);
      kernels.backward(front.panel, front.inverse.data(), y.data());
      CHECK((y - backward).norm() <= 1e-11 * backward.norm());
    }
  }
}

TEST_CASE("front kernels add a child's Schur complement where its rows belong") {
  for (const FrontKernels& kernels : runnable_front_kernels()) {
    TestFront child(5, 29, 5);
    kernels.square(child.panel, child.update, 0, child.panel.below, 0, child.panel.below);
    TestFront parent(11, 37, 6);
    kernels.square(parent.panel, parent.update, 0, parent.panel.below, 0, parent.panel.below);
    // Every other pair of rows of the parent, with a longer stretch; the first five rows are eliminated
    // there.
    std::vector<Index> rows;
    for (Index i = 1; static_cast<Index>(rows.size()) < 29;
         i += rows.size() < 10 && rows.size() % 2 == 0 ? 3 : 1) {
      rows.push_back(i);
    }
    std::vector<Run> pieces, columns;
    std::size_t eliminated = 0;
    std::size_t eliminated_columns = 0;
    for (std::size_t k = 0; k < rows.size(); ++k) {
      const auto source = static_cast<std::int32_t>(k);
      const auto target = static_cast<std::int32_t>(parent.padded(rows[k]));
      const bool crosses = rows[k] >= 11 && k > 0 && rows[k - 1] < 11;
      const auto extends = [&](const std::vector<Run>& runs) {
        return !runs.empty() && !crosses && runs.back().target + runs.back().length == target;
      };
      if (extends(pieces) && source % sliver != 0 && target % sliver != 0) {
        ++pieces.back().length;
      } else {
        pieces.push_back({source, target, 1});
      }
      if (extends(columns)) {
        ++columns.back().length;
      } else {
        columns.push_back({source, target, 1});
      }
      if (rows[k] < 11) {
        eliminated = pieces.size();
        eliminated_columns = columns.size();
      }
    }
    const auto snapshot = [&](Index i, Index j) {
      return j < 11 ? parent.entry(i, j) : parent.update_entry(i - 11, j - 11);
    };
    Matrix before = Matrix::Zero(48, 48);
    for (Index j = 0; j < 48; ++j) {
      for (Index i = j; i < 48; ++i) {
        before(i, j) = snapshot(i, j);
      }
    }
    const std::span<const Run> all(pieces);
    const std::span<const Run> runs(columns);
    kernels.add_to_panel(parent.panel, child.update, all, runs.first(eliminated_columns));
    kernels.add_to_update(parent.panel, parent.update, child.update, all.subspan(eliminated),
                          runs.subspan(eliminated_columns));
    for (std::size_t j = 0; j < rows.size(); ++j) {
      for (std::size_t i = j; i < rows.size(); ++i) {
        before(rows[i], rows[j]) += child.update_entry(static_cast<Index>(i), static_cast<Index>(j));
      }
    }
    for (Index j = 0; j < 48; ++j) {
      for (Index i = j; i < 48; ++i) {
        CAPTURE(i, j);
        CHECK(snapshot(i, j) == before(i, j));
      }
    }
  }
}

TEST_CASE("front kernels multiply matrices in slivers") {
  RandomSequence random(4);
  // Row slivers, column slivers, depth: all sizes of register tiles, and more than one depth of a pass.
  for (const auto& [rows, columns, depth] :
       std::vector<std::array<Index, 3>>{{1, 1, 8}, {2, 3, 16}, {3, 2, 192}, {4, 1, 200}, {12, 5, 408}}) {
    CAPTURE(rows, columns, depth);
    const Index next = sliver * (depth + 8);  // the matrices are wider than what is multiplied
    const Index to_next = sliver * (columns * sliver + 16);
    std::vector<double> a(static_cast<std::size_t>(rows * next));
    std::vector<double> b(static_cast<std::size_t>(columns * next));
    for (std::vector<double>* values : {&a, &b}) {
      for (double& v : *values) {
        v = random.normal();
      }
    }
    const auto entry = [](const std::vector<double>& m, Index apart, Index i, Index j) {
      return m[static_cast<std::size_t>(i / sliver * apart + j * sliver + i % sliver)];
    };
    for (const FrontKernels& kernels : runnable_front_kernels()) {
      std::vector<double> c(static_cast<std::size_t>(rows * to_next), -7.0);
      kernels.multiply({.a = a.data(),
                        .a_next = next,
                        .b = b.data(),
                        .b_next = next,
                        .c = c.data(),
                        .c_next = to_next,
                        .rows = rows,
                        .columns = columns,
                        .depth = depth});
      double error = 0;
      for (Index i = 0; i < rows * sliver; ++i) {
        for (Index j = 0; j < to_next / sliver; ++j) {
          double expected = j < columns * sliver ? 0 : -7;  // nothing is written beyond
          for (Index k = 0; k < depth && j < columns * sliver; ++k) {
            expected += entry(a, next, i, k) * entry(b, next, j, k);
          }
          error = std::max(error, std::abs(entry(c, to_next, i, j) - expected));
        }
      }
      CHECK(error < 1e-12 * std::sqrt(static_cast<double>(depth)) * 10);
    }
  }
}
