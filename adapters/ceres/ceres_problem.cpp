#include <ceres/ceres.h>

#include <cmath>
#include <limits>
#include <map>
#include <unordered_map>

#include "kappa/ceres_adapter.h"
#include "kappa/manifold.h"

namespace kappa {
namespace {

std::size_t at(Index i) {
  return static_cast<std::size_t>(i);
}

/// Cost functions of one signature: as many residuals, parameter blocks of the same sizes.
class CostFunctions final : public ResidualFamily {
 public:
  CostFunctions(int residuals, std::vector<int> sizes) : residuals_(residuals), sizes_(std::move(sizes)) {
    for (const int size : sizes_) {
      first_column_.push_back(columns_);
      columns_ += size;
    }
  }
  void append(const ceres::CostFunction* cost) { costs_.push_back(cost); }

  int residuals() const override { return residuals_; }
  std::span<const int> sizes() const override { return sizes_; }
  int columns() const override { return columns_; }
  SecondOrder second_order_kind() const override { return SecondOrder::differences; }

  Index values(const BlockRange& range, double* r) const override {
    return each(range, [&](const ceres::CostFunction& cost, const double* const* x, Index b) {
      return cost.Evaluate(x, r + b * residuals_, nullptr);
    });
  }
  Index jacobians(const BlockRange& range, double* r, double* J) const override {
    Buffer buffer(*this);
    return each(range, [&](const ceres::CostFunction& cost, const double* const* x, Index b) {
      return jacobian(cost, x, r + b * residuals_, J + b * residuals_ * columns_, buffer);
    });
  }
  /// Columns of sum_k w_k Hessian(r_k) by central differences of J'w.
  Index hessians(const BlockRange& range, const double* weights, double* r, double* J,
                 double* S) const override {
    Buffer buffer(*this);
    std::vector<double> H(at(Index{columns_} * columns_));
    return each(range, [&](const ceres::CostFunction& cost, const double* const* x, Index b) {
      double* rb = r + b * residuals_;
      double* Jb = J + b * residuals_ * columns_;
      if (!jacobian(cost, x, rb, Jb, buffer)) {
        return false;
      }
      const std::vector<double> w =
          weights != nullptr ? std::vector<double>(weights + b * residuals_, weights + (b + 1) * residuals_)
                             : std::vector<double>(rb, rb + residuals_);
      buffer.take(x);
      for (int j = 0; j < columns_; ++j) {
        const double h = std::cbrt(epsilon) * (1.0 + std::fabs(buffer.point[at(j)]));
        if (!difference(cost, buffer, unit(j), h, [&](int k, int i, double slope) {
              double& entry = H[at(Index{i} * columns_ + j)];
              entry = (k == 0 ? 0.0 : entry) + w[at(k)] * slope;
            })) {
          return false;
        }
      }
      double* Sb = S + b * columns_ * (columns_ + 1) / 2;
      for (int i = 0; i < columns_; ++i) {
        for (int j = 0; j <= i; ++j) {
          *Sb++ = 0.5 * (H[at(Index{i} * columns_ + j)] + H[at(Index{j} * columns_ + i)]);
        }
      }
      return true;
    });
  }
  Index second_directional(const BlockRange& range, const double* v, double* r_vv) const override {
    Buffer buffer(*this);
    return each(range, [&](const ceres::CostFunction& cost, const double* const* x, Index b) {
      const std::vector<double> direction(v + b * columns_, v + (b + 1) * columns_);
      double* out = r_vv + b * residuals_;
      std::fill_n(out, residuals_, 0.0);
      buffer.take(x);
      double size = 0;
      double length = 0;
      for (int i = 0; i < columns_; ++i) {
        size = std::max(size, std::fabs(buffer.point[at(i)]));
        length = std::max(length, std::fabs(direction[at(i)]));
      }
      return length == 0 ||
             difference(cost, buffer, direction, std::cbrt(epsilon) * (1.0 + size) / length,
                        [&](int k, int i, double slope) { out[k] += slope * direction[at(i)]; });
    });
  }

 private:
  /// A point of one block, and Jacobians as Ceres writes them, slot by slot.
  struct Buffer {
    explicit Buffer(const CostFunctions& costs)
        : family(costs),
          point(at(costs.columns_)),
          by_slot(at(Index{costs.residuals_} * costs.columns_)),
          r(at(costs.residuals_)),
          J{std::vector<double>(by_slot.size()), std::vector<double>(by_slot.size())} {
      for (std::size_t s = 0; s < costs.sizes_.size(); ++s) {
        slots.push_back(point.data() + costs.first_column_[s]);
        jacobians.push_back(by_slot.data() + Index{costs.residuals_} * costs.first_column_[s]);
      }
    }
    void take(const double* const* x) {
      for (std::size_t s = 0; s < family.sizes_.size(); ++s) {
        std::copy_n(x[s], family.sizes_[s], point.data() + family.first_column_[s]);
      }
    }

    const CostFunctions& family;
    std::vector<double> point, by_slot, r;
    std::array<std::vector<double>, 2> J;  ///< on both sides of a difference
    std::vector<const double*> slots;
    std::vector<double*> jacobians;
  };

  std::vector<double> unit(int j) const {
    std::vector<double> e(at(columns_), 0.0);
    e[at(j)] = 1;
    return e;
  }

  bool jacobian(const ceres::CostFunction& cost, const double* const* x, double* r, double* J,
                Buffer& buffer) const {
    if (!cost.Evaluate(x, r, buffer.jacobians.data())) {
      return false;
    }
    for (std::size_t s = 0; s < sizes_.size(); ++s) {
      for (int k = 0; k < residuals_; ++k) {
        std::copy_n(buffer.jacobians[s] + Index{k} * sizes_[s], sizes_[s],
                    J + Index{k} * columns_ + first_column_[s]);
      }
    }
    return true;
  }

  /// visit(k, i, (J_ki(x + h v) - J_ki(x - h v)) / 2h), k outermost.
  template <class Visit>
  bool difference(const ceres::CostFunction& cost, Buffer& buffer, const std::vector<double>& v, double h,
                  const Visit& visit) const {
    const std::vector<double> centre = buffer.point;
    for (const std::size_t side : {0U, 1U}) {
      for (std::size_t i = 0; i < v.size(); ++i) {
        buffer.point[i] = centre[i] + (side == 0 ? h : -h) * v[i];
      }
      if (!jacobian(cost, buffer.slots.data(), buffer.r.data(), buffer.J[side].data(), buffer)) {
        return false;
      }
    }
    buffer.point = centre;
    for (int k = 0; k < residuals_; ++k) {
      for (int i = 0; i < columns_; ++i) {
        const std::size_t e = at(Index{k} * columns_ + i);
        visit(k, i, (buffer.J[0][e] - buffer.J[1][e]) / (2 * h));
      }
    }
    return true;
  }

  template <class Visit>
  Index each(const BlockRange& range, const Visit& visit) const {
    const auto slots = static_cast<Index>(sizes_.size());
    for (Index b = 0; b < range.count; ++b) {
      if (!visit(*costs_[at(range.first + b)], range.parameters + (range.shared() ? 0 : b * slots), b)) {
        return range.first + b;
      }
    }
    return -1;
  }

  int residuals_;
  int columns_ = 0;
  std::vector<int> sizes_;
  std::vector<int> first_column_;
  std::vector<const ceres::CostFunction*> costs_;
};

/// A manifold of Ceres's. Its second derivatives are differences, as kappa::Manifold takes them.
class CeresManifold final : public Manifold {
 public:
  explicit CeresManifold(const ceres::Manifold& manifold)
      : Manifold("a manifold of Ceres's", manifold.AmbientSize(), manifold.TangentSize()),
        manifold_(manifold) {}

 private:
  void do_plus(const double* x, const double* delta, double* out) const override {
    std::vector<double> result(at(ambient_size()));  // Ceres does not allow out to be x
    if (!manifold_.Plus(x, delta, result.data())) {
      std::fill(result.begin(), result.end(), std::numeric_limits<double>::quiet_NaN());
    }
    std::copy(result.begin(), result.end(), out);
  }
  void do_minus(const double* y, const double* x, double* delta) const override {
    if (!manifold_.Minus(y, x, delta)) {
      std::fill_n(delta, tangent_size(), std::numeric_limits<double>::quiet_NaN());
    }
  }
  void do_plus_jacobian(const double* x, MatrixRef P) const override {
    std::vector<double> rows(at(ambient_size() * tangent_size()));
    const bool ok = manifold_.PlusJacobian(x, rows.data());
    for (Index i = 0; i < ambient_size(); ++i) {
      for (Index j = 0; j < tangent_size(); ++j) {
        P(i, j) = ok ? rows[at(i * tangent_size() + j)] : std::numeric_limits<double>::quiet_NaN();
      }
    }
  }

  const ceres::Manifold& manifold_;
};

class CeresLoss final : public LossFunction {
 public:
  explicit CeresLoss(const ceres::LossFunction& loss) : loss_(loss) {}
  LossValue evaluate(double s) const override {
    double out[3];
    loss_.Evaluate(s, out);
    return {out[0], out[1], out[2]};
  }

 private:
  const ceres::LossFunction& loss_;
};

/// Builds the problem; remembers what came from where.
class Translation {
 public:
  explicit Translation(const ceres::Problem& from, const ceres::ParameterBlockOrdering* ordering = nullptr)
      : from_(from) {
    std::vector<ceres::ResidualBlockId> residuals;
    from.GetResidualBlocks(&residuals);
    std::vector<double*> parameters;
    for (const ceres::ResidualBlockId id : residuals) {  // Ceres lists blocks by address, which varies
      from.GetParameterBlocksForResidualBlock(id, &parameters);
      for (double* block : parameters) {
        if (block_of_.count(block) == 0) {
          add_parameters(block);
        }
      }
    }
    for (const ceres::ResidualBlockId id : residuals) {
      add_residual(id);
    }
    if (ordering != nullptr && ordering->NumGroups() > 1) {
      take_over(*ordering);
    }
  }

  ResidualProblem problem;
  std::vector<std::pair<double*, ParameterBlock>> blocks;

 private:
  void add_parameters(double* values) {
    const int size = from_.ParameterBlockSize(values);
    const ConstVectorRef start(values, static_cast<std::size_t>(size));
    const ceres::Manifold* manifold = from_.HasManifold(values) ? from_.GetManifold(values) : nullptr;
    const ParameterBlock block =
        manifold != nullptr ? problem.add_parameters(start, std::make_shared<CeresManifold>(*manifold))
                            : problem.add_parameters(start);
    if (from_.IsParameterBlockConstant(values)) {
      problem.set_constant(block);
    }
    constexpr double unbounded = std::numeric_limits<double>::max();
    for (int i = 0; i < size; ++i) {
      const double lower = from_.GetParameterLowerBound(values, i);
      const double upper = from_.GetParameterUpperBound(values, i);
      if (lower > -unbounded) {
        problem.set_lower(block, i, lower);
      }
      if (upper < unbounded) {
        problem.set_upper(block, i, upper);
      }
    }
    blocks.emplace_back(values, block);
    block_of_.emplace(values, block);
  }

  /// Groups by rank, since Ceres numbers them freely.
  void take_over(const ceres::ParameterBlockOrdering& ordering) {
    Index rank = 0;
    for (const auto& [group, members] : ordering.group_to_elements()) {
      for (const double* values : members) {
        if (const auto found = block_of_.find(values); found != block_of_.end()) {
          problem.set_elimination_group(found->second, rank);
        }
      }
      ++rank;
    }
  }

  void add_residual(ceres::ResidualBlockId id) {
    const ceres::CostFunction* cost = from_.GetCostFunctionForResidualBlock(id);
    std::vector<int> signature(cost->parameter_block_sizes().begin(), cost->parameter_block_sizes().end());
    signature.push_back(cost->num_residuals());
    auto [found, added] = families_.try_emplace(signature);
    if (added) {
      signature.pop_back();
      auto family = std::make_unique<CostFunctions>(cost->num_residuals(), signature);
      found->second.functions = family.get();
      found->second.family = problem.add_family(std::move(family));
    }
    std::vector<double*> parameters;
    from_.GetParameterBlocksForResidualBlock(id, &parameters);
    std::vector<ParameterBlock> handles;
    for (const double* p : parameters) {
      handles.push_back(block_of_.at(p));
    }
    found->second.functions->append(cost);
    problem.add(found->second.family, handles, loss_of(from_.GetLossFunctionForResidualBlock(id)));
  }

  Loss loss_of(const ceres::LossFunction* loss) {
    if (loss == nullptr) {
      return {};
    }
    auto& kept = losses_[loss];
    if (kept == nullptr) {
      kept = std::make_shared<CeresLoss>(*loss);
    }
    return custom(kept);
  }

  struct Known {
    CostFunctions* functions = nullptr;
    ResidualProblem::FamilyHandle family;
  };

  const ceres::Problem& from_;
  std::unordered_map<const double*, ParameterBlock> block_of_;
  std::map<std::vector<int>, Known> families_;
  std::unordered_map<const ceres::LossFunction*, std::shared_ptr<const LossFunction>> losses_;
};

Result minimize(const Translation& translation, const Method& method, const Stopping& stopping,
                Observer* observer) {
  const ResidualProblem& translated = translation.problem;
  Result result = minimize(translated, translated.initial(), method, stopping, observer);
  if (!result.x.empty()) {
    for (const auto& [values, block] : translation.blocks) {
      const ConstVectorRef at_best = translated.values(block, result.x);
      if (translated.offset(block) >= 0) {
        std::copy(at_best.begin(), at_best.end(), values);
      }
    }
  }
  return result;
}

}  // namespace

ResidualProblem residual_problem(const ceres::Problem& problem) {
  return std::move(Translation(problem).problem);
}

ResidualProblem residual_problem(const ceres::Problem& problem,
                                 const ceres::ParameterBlockOrdering& ordering) {
  return std::move(Translation(problem, &ordering).problem);
}

Result minimize(ceres::Problem& problem, const Method& method, const Stopping& stopping, Observer* observer) {
  return minimize(Translation(problem), method, stopping, observer);
}

Result minimize(ceres::Problem& problem, const ceres::ParameterBlockOrdering& ordering, const Method& method,
                const Stopping& stopping, Observer* observer) {
  return minimize(Translation(problem, &ordering), method, stopping, observer);
}

}  // namespace kappa
