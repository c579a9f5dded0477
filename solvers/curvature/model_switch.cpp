// model-switch: Gauss-Newton, the structured secant or the exact Hessian, whichever foretold the last
// decrease best. With the last step s from a point of gradient g, each model B said
//
//   predicted = -(g's + s'B s / 2)
//
// and another model takes over where `margin` times its error |predicted - actual| is below that of the
// model in use. The start is Gauss-Newton. The secant is learnt all along, and the exact Hessian takes part
// only if asked for (option exact), since it is then computed at every point.
//
// Use it where it is not known beforehand whether residuals are small at the solution. B may be indefinite.
// Unlike NL2SOL, a rejected trial is not repeated with another model at the same control.
//
// Cost: as structured-secant, and two or three products a point.
//
// Reference: Dennis, Gay & Welsch, An adaptive nonlinear least-squares algorithm, ACM TOMS 7 (1981).
#include <array>
#include <cmath>

#include "core/option_checks.h"
#include "core/vector.h"
#include "solvers/curvature/parts.h"
#include "solvers/curvature/secant_correction.h"

namespace kappa {

namespace {

constexpr const char* part = "curvature 'model-switch'";

struct ModelSwitchOptions {
  std::string exact = "no";  // a Hessian at every point is dear
  double margin = 1.5;       // a convention, so that models of one quality do not alternate
  Index dense_limit = 2000;  // as structured-secant
};

constexpr Field<ModelSwitchOptions> fields[] = {
    {"exact", &ModelSwitchOptions::exact, "a Hessian at every point is dear",
     "whether the exact Hessian takes part: no or yes"},
    {"margin", &ModelSwitchOptions::margin, "a convention",
     "another model takes over where this times its error is less than that of the model in use; at least "
     "1"},
    {"dense_limit", &ModelSwitchOptions::dense_limit, "as structured-secant",
     "the largest number of variables, since the secant is a dense matrix"},
};

struct Settings {
  ModelSet models;  ///< what is asked of the problem
  double margin = 1;
  Index dense_limit = 0;
};

class ModelSwitch final : public Curvature {
 public:
  explicit ModelSwitch(const Settings& settings)
      : settings_(settings),
        gauss_newton_(Model::gauss_newton, capabilities),
        exact_(Model::exact, capabilities),
        secant_(correction_) {}

  CurvatureNeeds needs() const override {
    return {settings_.models, CurvatureNeeds::History::previous_evaluation};
  }

  void start() override {
    correction_.start();
    gauss_newton_.start();
    exact_.start();
    secant_.start();
    used_ = Used::gauss_newton;
    compared_ = 0;
  }

  Status refresh(const Evaluation& now, const Evaluation* previous, ConstVectorRef step) override {
    const Linearization* linearization = detail::linearization_with(now, Model::gauss_newton);
    if (linearization == nullptr || !now.models.contains(settings_.models)) {
      return Status::failed;
    }
    detail::require_dense(part, linearization->size(), settings_.dense_limit);
    correction_.settle(linearization->size());
    work_.resize(static_cast<std::size_t>(linearization->size()));
    if (previous != nullptr && previous->sample == now.sample) {
      compare(now, *previous, step);
      correction_.learn(now, *previous, step);
    }
    gauss_newton_.attach(*linearization);
    exact_.attach(*linearization);
    secant_.attach(*linearization);
    return Status::ok;
  }

  const SymmetricOperator& at_point() const override {
    switch (used_) {
      case Used::gauss_newton:
        break;
      case Used::secant:
        return secant_;
      case Used::exact:
        return exact_;
    }
    return gauss_newton_;
  }

  Index products() const override {
    return gauss_newton_.products() + exact_.products() + secant_.products() + correction_.products() +
           compared_;
  }

  bool state(State& s) override {
    s.section("model-switch", 1);
    correction_.state(s);
    gauss_newton_.state(s);
    exact_.state(s);
    secant_.state(s);
    s.item("used", used_);
    s.item("compared", compared_);
    return true;
  }

 private:
  static constexpr detail::CapabilitySet capabilities{detail::Capability::diagonal,
                                                      detail::Capability::dense};
  enum class Used : std::uint8_t { gauss_newton, secant, exact };
  static std::size_t at(Used model) { return static_cast<std::size_t>(model); }

  /// Each model's error at the step that was just taken; the secant is still that of the point it began at.
  void compare(const Evaluation& now, const Evaluation& previous, ConstVectorRef step) {
    if (previous.linearization == nullptr || !previous.models.contains(settings_.models)) {
      return;
    }
    const double actual = previous.value - now.value;
    const double slope = detail::dot(previous.gradient, step);
    const auto error = [&](double quadratic) { return std::fabs(-(slope + 0.5 * quadratic) - actual); };
    const double outer = quadratic(previous, Model::gauss_newton, step);
    std::array<double, 3> errors = {error(outer), error(outer + correction_.quadratic(step)), infinity};
    if (settings_.models.contains(Model::exact)) {
      errors[at(Used::exact)] = error(quadratic(previous, Model::exact, step));
    }
    Used best = used_;
    for (const Used other : {Used::gauss_newton, Used::secant, Used::exact}) {
      if (errors[at(other)] < errors[at(best)]) {
        best = other;
      }
    }
    const double noise = 10 * epsilon * std::fabs(previous.value);
    if (errors[at(used_)] > noise && settings_.margin * errors[at(best)] < errors[at(used_)]) {
      used_ = best;
    }
  }

  double quadratic(const Evaluation& at, Model model, ConstVectorRef v) {
    at.linearization->product(model, v, work_);
    ++compared_;
    return detail::dot(v, work_);
  }

  Settings settings_;
  detail::SecantCorrection correction_;
  detail::LinearizationOperator gauss_newton_, exact_;
  detail::CorrectedOperator secant_;
  std::vector<double> work_;
  Used used_ = Used::gauss_newton;
  Index compared_ = 0;
};

}  // namespace

CurvaturePart model_switch_part() {
  CurvaturePart out;
  out.info.kind = PartKind::curvature;
  out.info.name = "model-switch";
  out.info.summary =
      "Gauss-Newton, structured secant or exact Hessian, whichever foretold the last decrease best.";
  out.info.source = "Dennis, Gay & Welsch 1981 (NL2SOL)";
  out.info.options = describe_options<ModelSwitchOptions>(fields);
  out.make = [](const Options& given) -> std::unique_ptr<Curvature> {
    const auto options = read_options<ModelSwitchOptions>(part, given, fields);
    detail::require_option(options.margin >= 1 && options.margin < infinity, part, "margin", options.margin,
                           "it must be finite and at least 1");
    detail::require_option(options.dense_limit >= 1, part, "dense_limit",
                           static_cast<std::int64_t>(options.dense_limit), "it must be at least 1");
    ModelSet models = {Model::gauss_newton};
    if (detail::choose_option(part, "exact", options.exact, {"no", "yes"}) == 1) {
      models.insert(Model::exact);
    }
    return std::make_unique<ModelSwitch>(
        Settings{.models = models, .margin = options.margin, .dense_limit = options.dense_limit});
  };
  return out;
}

}  // namespace kappa
