// diagonal: B = diag(b_1 .. b_n), the diagonal of the Hessian or of another second-order model.
//
// Use it where variables couple weakly, or as a cheap curvature for very large n: a step costs n divisions.
// The diagonal comes from the linearization where it has one, from its blocks or its root, and otherwise
// from n products at each point. Those are refused above `product_limit` variables: refresh then reports
// failure, and "running-diagonal" with its one product a point is the curvature to use.
//
// Reference: LeCun, Denker & Solla, Optimal brain damage, NIPS 1989 (diagonal second derivatives);
// Becker & LeCun, Improving the convergence of back-propagation learning with second-order methods, 1988.
#include "core/option_checks.h"
#include "solvers/curvature/diagonal_operator.h"
#include "solvers/curvature/linearization_operator.h"
#include "solvers/curvature/model_diagonal.h"
#include "solvers/curvature/model_option.h"
#include "solvers/curvature/parts.h"

namespace kappa {

namespace {

constexpr const char* part = "curvature 'diagonal'";

struct DiagonalOptions {
  std::string model = "exact";  // Becker & LeCun 1988
  Index product_limit = 1000;   // n products a point cost less than a dense factorisation of this size
};

constexpr Field<DiagonalOptions> fields[] = {
    {"model", &DiagonalOptions::model, "Becker & LeCun 1988",
     "whose diagonal: exact (entries may be negative), gauss-newton, fisher, sampled-fisher, "
     "empirical-fisher or squared-mean-gradient (entries are not negative)"},
    {"product_limit", &DiagonalOptions::product_limit,
     "n products a point cost less than a dense factorisation of this size",
     "largest n for which a diagonal that the problem does not give is computed by n products at each point; "
     "0 "
     "forbids it"},
};

class Diagonal final : public Curvature {
 public:
  Diagonal(Model model, Index product_limit)
      : model_(model), diagonal_(model, product_limit), operator_(detail::definiteness_of(model)) {}

  CurvatureNeeds needs() const override { return {{model_}, CurvatureNeeds::History::none}; }

  void start() override { diagonal_.start(); }

  Status refresh(const Evaluation& now, const Evaluation*, ConstVectorRef) override {
    const Linearization* linearization = detail::linearization_with(now, model_);
    if (linearization == nullptr) {
      return Status::failed;
    }
    return diagonal_.compute(*linearization, operator_.entries(linearization->size())) ? Status::ok
                                                                                       : Status::failed;
  }

  const SymmetricOperator& at_point() const override { return operator_; }
  Index products() const override { return diagonal_.products(); }
  bool state(State& s) override {
    s.section("diagonal", 1);
    diagonal_.state(s);
    return true;
  }

 private:
  Model model_;
  detail::ModelDiagonal diagonal_;
  detail::DiagonalOperator operator_;
};

}  // namespace

CurvaturePart diagonal_part() {
  CurvaturePart out;
  out.info.kind = PartKind::curvature;
  out.info.name = "diagonal";
  out.info.summary = "The diagonal of the Hessian or of another second-order model.";
  out.info.source = "Becker & LeCun 1988; LeCun, Denker & Solla 1989";
  out.info.options = describe_options<DiagonalOptions>(fields);
  out.make = [](const Options& given) -> std::unique_ptr<Curvature> {
    const auto options = read_options<DiagonalOptions>(part, given, fields);
    const Model model =
        detail::choose_model(part, "model", options.model,
                             {Model::exact, Model::gauss_newton, Model::fisher, Model::sampled_fisher,
                              Model::empirical_fisher, Model::squared_mean_gradient});
    detail::require_option(options.product_limit >= 0, part, "product_limit",
                           static_cast<std::int64_t>(options.product_limit), "it must not be negative");
    return std::make_unique<Diagonal>(model, options.product_limit);
  };
  return out;
}

}  // namespace kappa
