// Where a case's problem comes from, told to any solver in the same words: parameter blocks and residual
// functors.
//
// A source is built into a peer's own problem type by a builder with three functions:
//
//   int add_parameters(int size, Role role);                            the next `size` entries of initial()
//   void add<Residuals, Sizes...>(Functor functor, int... blocks);      one residual block
//   void bound(int block, ConstVectorRef lower, ConstVectorRef upper);  on the entries of a block
//
// So every peer differentiates and evaluates the same functors from the same start, and a peer is written
// once for all suites. The objective is always f(x) = 1/2 sum of squared residuals.
#pragma once

#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "problems/analytic/mgh_bounds.h"
#include "problems/analytic/nist.h"
#include "problems/analytic/nist_models.h"
#include "problems/io/bal.h"
#include "problems/residual/reprojection.h"

namespace kappa::bench {

/// What a peer that eliminates parameter blocks should know of one: no two `eliminated` blocks share a
/// residual.
enum class Role { kept, eliminated };

struct NistSource {
  const NistProblem* problem = nullptr;
  int start_index = 0;

  std::vector<double> initial() const {
    const ConstVectorRef at = problem->starting_point(start_index);
    return {at.begin(), at.end()};
  }
  template <class Builder>
  void build(Builder& to) const {
    const int b = to.add_parameters(problem->parameters, Role::kept);
    visit_nist_model(*problem, [&]<class Model>() {
      for (int i = 0; i < problem->observations; ++i) {
        to.template add<1, Model::parameters>(Model::from_row(problem->row(i)), b);
      }
    });
  }
};

struct MghSource {
  const MghProblem* problem = nullptr;
  double factor = 1;
  const MghBounds* bounds = nullptr;  ///< null where there are none

  /// Inside the bounds, since not every peer takes another start.
  std::vector<double> initial() const;
  template <class Builder>
  void build(Builder& to) const {
    const int x = to.add_parameters(problem->parameters, Role::kept);
    visit_mgh_model(*problem,
                    [&]<class Model>() { to.template add<Model::residuals, Model::parameters>(Model{}, x); });
    if (bounds != nullptr) {
      to.bound(x, bounds->lower, bounds->upper);
    }
  }
};

struct BundleSource {
  std::shared_ptr<const BalProblem> data;

  const std::vector<double>& initial() const { return data->parameters; }
  template <class Builder>
  void build(Builder& to) const {
    const auto cameras = static_cast<int>(data->cameras);
    for (int i = 0; i < cameras; ++i) {
      to.add_parameters(9, Role::kept);
    }
    for (Index i = 0; i < data->points; ++i) {
      to.add_parameters(3, Role::eliminated);
    }
    for (std::size_t k = 0; k < data->camera_index.size(); ++k) {
      to.template add<2, 9, 3>(Reprojection{data->observed[2 * k], data->observed[2 * k + 1]},
                               data->camera_index[k], cameras + data->point_index[k]);
    }
  }
};

using Source = std::variant<NistSource, MghSource, BundleSource>;

std::vector<double> initial(const Source& source);

/// 1/2 sum of squared residuals at x in plain double arithmetic, by neither side's evaluator: the judge of
/// every final point. NaN where a functor refuses x or a residual is not a number.
double objective(const Source& source, ConstVectorRef x);

}  // namespace kappa::bench
