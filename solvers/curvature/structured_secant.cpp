// structured-secant: B = J'J + A, where A learns from step to step what Gauss-Newton leaves out.
//
// Use it for least squares whose residuals stay large at the solution, where Gauss-Newton converges slowly
// and second derivatives are not to be had. B may be indefinite. Near a solution of small residuals it does
// as well as Gauss-Newton, since A is sized by what it has to explain. Curvature model-switch decides by
// itself whether A is used.
//
// A robust loss enters J'J as in outer-product, and A learns the residuals' own second derivatives under
// that loss. With mini-batches, whose gradients at two points are not of one function, A stays zero.
//
// Cost: that of the Gauss-Newton matrix, 8 n^2 flops a point, and the last point's linearization.
//
// Reference: Dennis, Gay & Welsch, An adaptive nonlinear least-squares algorithm, ACM TOMS 7 (1981), sec. 3;
// Nocedal & Wright 2006, sec. 10.3.
#include "core/option_checks.h"
#include "solvers/curvature/parts.h"
#include "solvers/curvature/secant_correction.h"

namespace kappa {

namespace {

constexpr const char* part = "curvature 'structured-secant'";

struct StructuredSecantOptions {
  Index dense_limit = 2000;  // 32 MB for A; where choice of a dense factor ends, too
};

constexpr Field<StructuredSecantOptions> fields[] = {
    {"dense_limit", &StructuredSecantOptions::dense_limit, "32 MB for A",
     "the largest number of variables, since A is a dense matrix"},
};

class StructuredSecant final : public Curvature {
 public:
  explicit StructuredSecant(const StructuredSecantOptions& options)
      : options_(options), operator_(correction_) {}

  CurvatureNeeds needs() const override {
    return {{Model::gauss_newton}, CurvatureNeeds::History::previous_evaluation};
  }

  void start() override {
    correction_.start();
    operator_.start();
  }

  Status refresh(const Evaluation& now, const Evaluation* previous, ConstVectorRef step) override {
    const Linearization* linearization = detail::linearization_with(now, Model::gauss_newton);
    if (linearization == nullptr) {
      return Status::failed;
    }
    detail::require_dense(part, linearization->size(), options_.dense_limit);
    correction_.settle(linearization->size());
    if (previous != nullptr) {
      correction_.learn(now, *previous, step);
    }
    operator_.attach(*linearization);
    return Status::ok;
  }

  const SymmetricOperator& at_point() const override { return operator_; }
  Index products() const override { return operator_.products() + correction_.products(); }
  bool state(State& s) override {
    s.section("structured-secant", 1);
    correction_.state(s);
    operator_.state(s);
    return true;
  }

 private:
  StructuredSecantOptions options_;
  detail::SecantCorrection correction_;
  detail::CorrectedOperator operator_;
};

}  // namespace

CurvaturePart structured_secant_part() {
  CurvaturePart out;
  out.info.kind = PartKind::curvature;
  out.info.name = "structured-secant";
  out.info.summary = "Gauss-Newton plus a secant estimate of what it leaves out; for large residuals.";
  out.info.source = "Dennis, Gay & Welsch 1981, sec. 3";
  out.info.options = describe_options<StructuredSecantOptions>(fields);
  out.make = [](const Options& given) -> std::unique_ptr<Curvature> {
    const auto options = read_options<StructuredSecantOptions>(part, given, fields);
    detail::require_option(options.dense_limit >= 1, part, "dense_limit",
                           static_cast<std::int64_t>(options.dense_limit), "it must be at least 1");
    return std::make_unique<StructuredSecant>(options);
  };
  return out;
}

}  // namespace kappa
