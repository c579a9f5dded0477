// kappa as a peer of the suite logistic: newton by default, whose step `auto` chooses.
#include <cmath>

#include "bench/logistic.h"
#include "bench/method_text.h"
#include "kappa/linear_model.h"
#include "kappa/minimize.h"

namespace kappa::bench {

namespace {

constexpr const char* default_method = "newton";

class KappaLogistic final : public LogisticPeer {
 public:
  KappaLogistic(std::string name, Method method) : name_(std::move(name)), method_(std::move(method)) {}

  std::string name() const override { return name_; }
  std::vector<int> threads(int most) const override {
    return most > 1 ? std::vector<int>{1, most} : std::vector<int>{1};
  }

  LogisticRun solve(const Dataset& data, double C) const override {
    const LogisticRegression problem(data, {.C = C});
    Evaluation start;
    start.reset(problem.initial(), 0);
    Request request;
    request.want = Want::value | Want::gradient;
    problem.evaluate(request, start);
    double squares = 0;
    for (const double g : start.gradient) {
      squares += g * g;
    }
    Stopping stopping;
    stopping.gradient_tolerance =
        logistic_reduction * std::sqrt(squares / static_cast<double>(problem.dimension()));
    Result result = minimize(problem, start.x, method_, stopping);
    return {std::move(result.x), result.iterations, result.reason};
  }

 private:
  std::string name_;
  Method method_;
};

}  // namespace

std::vector<std::unique_ptr<LogisticPeer>> kappa_logistic_peers(const std::vector<std::string>& methods) {
  std::vector<std::unique_ptr<LogisticPeer>> out;
  for (const std::string& text : methods.empty() ? std::vector<std::string>{default_method} : methods) {
    out.push_back(std::make_unique<KappaLogistic>(text == default_method ? "kappa" : "kappa " + text,
                                                  parse_method(text)));
  }
  return out;
}

}  // namespace kappa::bench
