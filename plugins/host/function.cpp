// A plugin's losses and problems.
#include "kappa/function.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "plugins/host/object.h"

namespace kappa::detail {
namespace {

/// Called from many threads at once, so what goes wrong is no sentence but numbers that no solve accepts.
class PluginLoss final : public LossFunction {
 public:
  PluginLoss(const SharedPart& part, const Options& options) : object_(part, options) {}

  LossValue evaluate(double s) const override {
    constexpr double nan = std::numeric_limits<double>::quiet_NaN();
    double out[3] = {nan, nan, nan};
    try {
      object_.table().evaluate(object_.self(), s, out);
    } catch (...) {
      return {nan, nan, nan};
    }
    return {out[0], out[1], out[2]};
  }

 private:
  PluginObject<kappa_loss> object_;
};

using Object = PluginObject<kappa_problem>;

/// Runs f, whose result is a status, from any thread.
template <class F>
bool works(const F& f) {
  try {
    return f() == KAPPA_OK;
  } catch (...) {
    return false;
  }
}

Callbacks callbacks_of(const std::shared_ptr<const Object>& object, Index n) {
  Callbacks out;
  out.dimension = n;
  out.value = [object](ConstVectorRef x, double& value) {
    return works([&] {
      return object->table().evaluate(object->self(), x.data(), &value, nullptr, {nullptr, 0});
    });
  };
  out.value_and_gradient = [object](ConstVectorRef x, double& value, VectorRef gradient) {
    return works([&] {
      return object->table().evaluate(object->self(), x.data(), &value, gradient.data(), {nullptr, 0});
    });
  };
  if (const auto product = object->optional(&kappa_problem::product)) {
    out.hessian_product = [object, product](ConstVectorRef x, ConstVectorRef v, VectorRef to) {
      return works([&] { return product(object->self(), x.data(), v.data(), to.data()); });
    };
  }
  return out;
}

}  // namespace

Loss make_loss(const SharedPart& part, const Options& options) {
  return custom(std::make_shared<PluginLoss>(part, options));
}

PluginProblem make_problem(const SharedPart& part, const Options& options) {
  const auto object = std::make_shared<const Object>(part, options);
  Index n = 0;
  object->tell("dimension", [&] { n = object->table().dimension(object->self()); });
  constexpr Index most_variables = Index{1} << 31;  // 16 GB a vector
  if (n <= 0 || n > most_variables) {
    throw Error(part->where + ": says that it has " + std::to_string(n) + " variables");
  }
  PluginProblem out;
  out.x0.assign(static_cast<std::size_t>(n), std::nan(""));
  const kappa_status status = object->call(
      "initial", [&](kappa_text) { return object->table().initial(object->self(), out.x0.data()); });
  if (status != KAPPA_OK) {
    throw Error(std::string(object->fault().text()));
  }
  if (!std::all_of(out.x0.begin(), out.x0.end(), [](double x) { return std::isfinite(x); })) {
    throw Error(part->where + ": its start has entries that are not finite");
  }
  auto problem = std::make_unique<FunctionProblem>(callbacks_of(object, n));
  if (const auto bounds = object->optional(&kappa_problem::bounds)) {
    std::vector<double> lower(out.x0.size(), -infinity);
    std::vector<double> upper(out.x0.size(), infinity);
    if (object->call("bounds", [&](kappa_text) {
          return bounds(object->self(), lower.data(), upper.data());
        }) == KAPPA_OK) {
      try {
        problem->set_bounds(lower, upper);
      } catch (const std::exception& wrong) {
        throw Error(part->where + ": its bounds are of no use: " + wrong.what());
      }
    }
  }
  out.problem = std::move(problem);
  return out;
}

}  // namespace kappa::detail
