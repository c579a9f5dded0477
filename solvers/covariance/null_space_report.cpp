#include "solvers/covariance/null_space_report.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "solvers/covariance/decompositions.h"
#include "solvers/text.h"

namespace kappa {
namespace detail {
namespace {

using Dense = Eigen::MatrixXd;
using Vector = Eigen::VectorXd;

constexpr double outside = 1e-6;       // squared length that a null symmetry may have outside the null space
constexpr double negligible = 1e-9;    // share of a block that is not counted
constexpr std::size_t most_parts = 8;  // listed of one direction
constexpr Index most_named = 50;       // connected parts whose symmetries are looked for
constexpr double most_of_it = 0.9;     // share from which on one block names a direction
constexpr double worth_naming = 0.01;  // squared coefficient of a symmetry in a combination

std::size_t at(Index i) {
  return static_cast<std::size_t>(i);
}

/// The connected part of the blocks that each is in, by first blocks.
std::vector<Index> connected_parts(const BlockStructure& s, Index& parts) {
  std::vector<Index> root(at(s.blocks()));
  std::iota(root.begin(), root.end(), Index{0});
  const auto find = [&](Index i) {
    while (root[at(i)] != i) {
      i = root[at(i)] = root[at(root[at(i)])];
    }
    return i;
  };
  for (Index i = 0; i < s.blocks(); ++i) {
    for (Index k = s.row_start[at(i)]; k < s.row_start[at(i) + 1]; ++k) {
      const Index a = find(i);
      const Index b = find(s.column[at(k)]);
      root[at(std::max(a, b))] = std::min(a, b);
    }
  }
  std::vector<Index> out(root.size(), -1);
  parts = 0;
  for (Index i = 0; i < s.blocks(); ++i) {
    const Index first = find(i);
    out[at(i)] = first == i ? parts++ : out[at(first)];
  }
  return out;
}

/// Turned so that the first of its largest entries is positive; without -0.
std::vector<double> oriented(const Vector& v, Index begin, Index size) {
  Index top = 0;
  for (Index i = 1; i < v.size(); ++i) {
    top = std::abs(v(i)) > (1 + 1e-6) * std::abs(v(top)) ? i : top;
  }
  const double sign = v(top) < 0 ? -1 : 1;
  std::vector<double> out;
  for (Index i = begin; i < begin + size; ++i) {
    const double entry = sign * v(i);
    out.push_back(std::abs(entry) > 1e-15 ? entry : 0.0);
  }
  return out;
}

class Report {
 public:
  explicit Report(const NullSpaceTask& task)
      : task_(task), s_(task.information.structure()), Y_(task.null_vectors) {
    const std::vector<Index> part_of = connected_parts(s_, parts_);
    blocks_of_.resize(at(parts_));
    for (Index b = 0; b < s_.blocks(); ++b) {
      blocks_of_[at(part_of[at(b)])].push_back(b);
    }
  }

  NullSpace make() {
    out_.dimension = Y_.cols() + task_.information.local_nullity();
    found_.resize(s_.size(), 0);
    if (out_.dimension > 0) {
      Index named = 0;
      for (Index part = 0; part < parts_ && named < most_named; ++part) {
        const Index before = found_.cols();
        find_symmetries(part);
        named += found_.cols() > before ? 1 : 0;
      }
    }
    describe_local();
    describe_rest();
    return std::move(out_);
  }

 private:
  /// The part of v, scaled, that is in the null space.
  Vector project(const Vector& v) const {
    Vector out = Y_ * (Y_.transpose() * v);
    for (const LocalNull& local : task_.information.local_nulls()) {
      const Index first = s_.offset[at(local.block)];
      const Index size = s_.block_size(local.block);
      out.segment(first, size) += local.scaled * (local.scaled.transpose() * v.segment(first, size));
    }
    return out;
  }

  /// Symmetry g on one connected part, in scaled variables, of length 1; zero where it does not move it.
  Vector scaled_symmetry(std::size_t g, Index part) const {
    Vector out = Vector::Zero(s_.size());
    for (const Index b : blocks_of_[at(part)]) {
      for (Index i = s_.offset[at(b)]; i < s_.offset[at(b) + 1]; ++i) {
        const double d = task_.information.scale()[at(i)];
        out(i) = d > 0 ? task_.symmetries[g].direction[at(i)] / d : 0.0;
      }
    }
    const double length = out.norm();
    return std::isfinite(length) && length > 0 ? Vector(out / length) : Vector(Vector::Zero(s_.size()));
  }

  bool has_nulls(Index part) const {
    const std::vector<Index>& blocks = blocks_of_[at(part)];
    return std::any_of(blocks.begin(), blocks.end(), [&](Index b) {
      return task_.information.local_null(b) != nullptr ||
             (Y_.cols() > 0 && Y_.middleRows(s_.offset[at(b)], s_.block_size(b)).squaredNorm() > negligible);
    });
  }

  void find_symmetries(Index part) {
    const std::size_t count = task_.symmetries.size();
    // What a single block leaves undetermined has no better name than the block's.
    if (count == 0 || blocks_of_[at(part)].size() == 1 || !has_nulls(part)) {
      return;
    }
    Dense Z(s_.size(), static_cast<Index>(count));
    for (std::size_t g = 0; g < count; ++g) {
      Z.col(static_cast<Index>(g)) = scaled_symmetry(g, part);
    }
    const Index before = found_.cols();
    for (std::size_t g = 0; g < count; ++g) {
      const auto column = static_cast<Index>(g);
      const Vector inside = project(Z.col(column));
      if (Z.col(column).squaredNorm() > 0 && (Z.col(column) - inside).squaredNorm() <= outside &&
          add_found(inside)) {
        add(task_.symmetries[g].name + part_name(part), inside, true);
      }
    }
    if (found_.cols() - before < static_cast<Index>(count)) {
      find_combinations(Z, part);
    }
  }

  /// Directions in the span of Z and the null space that are not among those found yet.
  void find_combinations(const Dense& Z, Index part) {
    const PivotedQr qr = pivoted_qr(Z);
    const Index rank = qr.rank;
    if (rank == 0) {
      return;
    }
    const Dense& basis = qr.basis;
    Dense inside(basis.rows(), rank);
    for (Index j = 0; j < rank; ++j) {
      inside.col(j) = project(basis.col(j));
    }
    const EigenPairs cosines = eigen_pairs(inside.transpose() * inside);
    for (Index j = rank - 1; j >= 0 && cosines.values(j) >= 1 - outside; --j) {
      const Vector direction = inside * cosines.vectors.col(j);
      const Vector coefficients = qr.solve(direction);
      if (add_found(direction)) {
        add(combination(coefficients) + part_name(part), direction, true);
      }
    }
  }

  std::string combination(const Vector& coefficients) const {
    std::string out;
    for (Index g = 0; g < coefficients.size(); ++g) {
      if (coefficients(g) * coefficients(g) > worth_naming * coefficients.squaredNorm()) {
        out += (out.empty() ? "" : " with ") + task_.symmetries[at(g)].name;
      }
    }
    return out;
  }

  /// " of part 2 (pose 7 and 12 more blocks)" where there are several parts.
  std::string part_name(Index part) const {
    if (parts_ == 1) {
      return {};
    }
    const std::vector<Index>& blocks = blocks_of_[at(part)];
    std::string more;
    print_to(more, " and %zu more block%s", blocks.size() - 1, blocks.size() == 2 ? "" : "s");
    return " of " + task_.block_name(s_.offset[at(blocks.front())]) + (blocks.size() > 1 ? more : "");
  }

  /// Extends the orthonormal basis of what is described; false where v is in it already.
  bool add_found(Vector v) {
    const double length = v.norm();
    for (int twice = 0; twice < 2; ++twice) {
      v -= found_ * (found_.transpose() * v);
    }
    if (!(v.norm() > 1e-3 * length)) {
      return false;
    }
    found_.conservativeResize(Eigen::NoChange, found_.cols() + 1);
    found_.col(found_.cols() - 1) = v / v.norm();
    return true;
  }

  void describe_local() {
    for (const LocalNull& local : task_.information.local_nulls()) {
      const Index first = s_.offset[at(local.block)];
      for (Index j = 0; j < local.scaled.cols(); ++j) {
        if (static_cast<Index>(out_.directions.size()) == out_.dimension) {
          return;
        }
        const Dense known = found_.middleRows(first, s_.block_size(local.block));
        if ((known.transpose() * local.scaled.col(j)).squaredNorm() > 0.5) {
          continue;  // a symmetry moves nothing else
        }
        NullDirection::Part part;
        part.range = {first, s_.block_size(local.block)};
        part.name = task_.block_name(first);
        part.share = 1;
        part.direction = oriented(local.unscaled.col(j), 0, local.unscaled.rows());
        out_.directions.push_back({part.name, false, {part}, 1});
      }
    }
  }

  void describe_rest() {
    const Index rest = out_.dimension - static_cast<Index>(out_.directions.size());
    if (rest <= 0 || Y_.cols() == 0) {
      return;
    }
    const Dense left = Y_ - found_ * (found_.transpose() * Y_);
    const Index rank = std::min(rest, Y_.cols());
    Dense basis = pivoted_qr(left, rank).basis;
    // Each of the pivoted variables moves in one direction alone.
    const std::vector<Index> pivots = pivoted_qr(basis.transpose()).order;
    Dense chosen(rank, rank);
    for (Index j = 0; j < rank; ++j) {
      chosen.row(j) = basis.row(pivots[at(j)]);
    }
    basis = (chosen.transpose().partialPivLu().solve(basis.transpose())).transpose().eval();
    for (Index j = 0; j < rank; ++j) {
      const Vector direction = basis.col(j) / basis.col(j).norm();
      add({}, direction, false);
    }
  }

  /// A direction in scaled variables.
  void add(std::string name, const Vector& scaled, bool symmetry) {
    const Eigen::Map<const Vector> D(task_.information.scale().data(), s_.size());
    Vector unscaled = D.asDiagonal() * scaled;
    unscaled /= unscaled.norm();
    NullDirection out;
    out.symmetry = symmetry;
    std::vector<std::pair<double, Index>> shares;
    for (Index b = 0; b < s_.blocks(); ++b) {
      const double share =
          scaled.segment(s_.offset[at(b)], s_.block_size(b)).squaredNorm() / scaled.squaredNorm();
      if (share > negligible) {
        shares.emplace_back(share, b);
      }
    }
    out.blocks = static_cast<Index>(shares.size());
    std::stable_sort(shares.begin(), shares.end(),
                     [](const auto& a, const auto& b) { return a.first > b.first; });
    shares.resize(std::min(shares.size(), most_parts));
    for (const auto& [share, b] : shares) {
      const Index first = s_.offset[at(b)];
      const Index size = s_.block_size(b);
      out.parts.push_back({{first, size}, task_.block_name(first), share, oriented(unscaled, first, size)});
    }
    out.name = name.empty() ? names_of(out) : std::move(name);
    out_.directions.push_back(std::move(out));
  }

  static std::string names_of(const NullDirection& direction) {
    constexpr std::size_t listed = 3;
    std::string out;
    std::size_t named = 0;
    for (; named < std::min(listed, direction.parts.size()); ++named) {
      out += (named == 0 ? "" : ", ") + direction.parts[named].name;
      if (named == 0 && direction.parts[0].share > most_of_it) {
        ++named;
        break;
      }
    }
    const Index more = direction.blocks - static_cast<Index>(named);
    return more > 0 ? out + " and " + std::to_string(more) + " more" : out;
  }

  const NullSpaceTask& task_;
  const BlockStructure& s_;
  const Dense& Y_;
  Index parts_ = 0;
  std::vector<std::vector<Index>> blocks_of_;  ///< by connected part
  Dense found_;                                ///< orthonormal, scaled: what symmetries account for
  NullSpace out_;
};

}  // namespace

NullSpace describe_null_space(const NullSpaceTask& task) {
  return Report(task).make();
}

}  // namespace detail

namespace {

std::string with_direction(const NullDirection& direction) {
  if (direction.parts.empty() || direction.blocks > 1) {
    return direction.name;
  }
  std::string out = direction.name + " along (";
  for (std::size_t i = 0; i < direction.parts[0].direction.size(); ++i) {
    std::string entry;
    detail::print_to(entry, "%s%.3g", i == 0 ? "" : ", ", direction.parts[0].direction[i]);
    out += entry;
  }
  return out + ")";
}

}  // namespace

std::string NullSpace::text() const {
  constexpr Index listed = 20;
  if (dimension == 0) {
    return "all variables are determined\n";
  }
  Index freedoms = 0;
  std::string names;
  for (const NullDirection& direction : directions) {
    if (direction.symmetry) {
      names += (freedoms++ == 0 ? "" : ", ") + direction.name;
    }
  }
  std::string out;
  if (freedoms > 0) {
    out +=
        std::to_string(freedoms) + (freedoms == 1 ? " gauge freedom: " : " gauge freedoms: ") + names + "\n";
  }
  const Index others = dimension - freedoms;
  if (others > 0) {
    out += std::to_string(others) + (freedoms > 0 ? " other" : "") + " undetermined direction" +
           (others == 1 ? "" : "s") + ":\n";
  }
  Index shown = 0;
  for (const NullDirection& direction : directions) {
    if (!direction.symmetry && shown++ < listed) {
      out += "  " + with_direction(direction) + "\n";
    }
  }
  return shown > listed ? out + "  and " + std::to_string(shown - listed) + " more\n" : out;
}

}  // namespace kappa
