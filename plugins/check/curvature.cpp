// The laws of a curvature, on operators as a solve would meet them.
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/task_arena.h>

#include <Eigen/Dense>
#include <chrono>
#include <cmath>
#include <limits>
#include <thread>

#include "kappa/random.h"
#include "plugins/check/findings.h"
#include "plugins/check/operator_laws.h"
#include "plugins/host/parts.h"

namespace kappa::detail {
namespace {

using Point = std::vector<double>;

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

const char* advice_for(const std::string& law) {
  const auto about = [&](const char* words) { return law.find(words) != std::string::npos; };
  return about("linear") || about("B 0 = 0")
             ? "multiply must be a linear map of v: let it depend on the refreshed point alone"
         : about("symmetric") ? "B must equal its transpose: v'Bw and w'Bv differ"
         : about("same bits") ? "two equal calls differ: keep no state in multiply, add in a fixed order"
         : about("finite")    ? "fill all of `out` with finite numbers, or let refresh fail with a sentence"
         : about("semidefinite")
             ? "claim KAPPA_POSITIVE_SEMIDEFINITE only where no eigenvalue can be negative"
         : about("damped")
             ? "solve_damped must solve (B + lambda diag(weights)) x = rhs, or be called approximate"
         : about("root: A'c") ? "c of the root must give A'c = g, or be NULL"
         : about("inside")    ? "columns of `out` are `stride` apart: write the first `size` entries of each"
         : about("offers")    ? "an entry of the table that is there must answer KAPPA_OK at every point"
                              : "this form is another matrix than that of the products";
}

void laws_at(const SymmetricOperator& B, ConstVectorRef gradient, Findings& findings) {
  constexpr double tolerance = 1e-8;
  laws::OperatorLawSettings settings;
  settings.tolerance = tolerance;
  settings.gradient = gradient;
  for (const laws::Finding& f : laws::operator_findings(B, settings)) {
    findings.require(f.law, f.figure, f.allowed, advice_for(f.law));
  }
}

/// One object led along a path, and its products with one vector at each point; empty where it cannot be.
std::vector<Point> products_along(Curvature& curvature, const Problem& problem,
                                  const std::vector<Point>& path) {
  const CurvatureNeeds needs = curvature.needs();
  std::vector<Point> out;
  Evaluation now;
  Evaluation before;
  for (std::size_t k = 0; k < path.size(); ++k) {
    std::swap(now, before);
    if (evaluate_at(problem, path[k], needs, now) != EvalStatus::ok) {
      return out;
    }
    Point step(now.gradient.size(), 0.0);
    const bool history = k > 0 && needs.history != CurvatureNeeds::History::none;
    if (k > 0) {
      problem.local(path[k - 1], path[k], step);
    }
    if (curvature.refresh(now, history ? &before : nullptr,
                          history ? ConstVectorRef(step) : ConstVectorRef()) != Curvature::Status::ok) {
      out.emplace_back();
      continue;
    }
    const SymmetricOperator& B = curvature.at_point();
    RandomSequence random(7);
    Point v(now.gradient.size());
    for (double& e : v) {
      e = random.normal();
    }
    out.emplace_back(v.size(), nan);
    B.multiply(v, out.back());
  }
  return out;
}

bool same(const std::vector<Point>& a, const std::vector<Point>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const Point& x, const Point& y) { return same_bits(x, y); });
}

/// Products of a new object.
std::vector<Point> fresh_products(const CurvaturePart& part, const Options& options, const Problem& problem,
                                  const std::vector<Point>& path) {
  const std::unique_ptr<Curvature> curvature = part.make(options);
  curvature->start();
  return products_along(*curvature, problem, path);
}

void determinism(const CurvaturePart& part, const Options& options, const Problem& problem,
                 const std::vector<Point>& path, Findings& findings) {
  const std::vector<Point> once = fresh_products(part, options, problem, path);
  findings.holds(
      "two objects give the same bits", same(once, fresh_products(part, options, problem, path)),
      "what differs is kept outside the object, or depends on time, addresses or random numbers: seed them");
  for (const int threads : {1, 2, 4}) {
    const tbb::global_control limit(tbb::global_control::max_allowed_parallelism,
                                    static_cast<std::size_t>(threads));
    tbb::task_arena arena(threads);
    const auto again = arena.execute([&] { return fresh_products(part, options, problem, path); });
    findings.holds("1, 2 and 4 threads give the same bits", same(once, again),
                   "cut loops by structure, not by threads, and add the results in the order of the chunks");
  }
  std::vector<std::vector<Point>> beside(2);
  {
    std::vector<std::thread> threads;
    for (std::vector<Point>& out : beside) {
      threads.emplace_back([&] { out = fresh_products(part, options, problem, path); });
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
  }
  findings.holds("two objects on two threads at once give the same bits",
                 same(once, beside[0]) && same(once, beside[1]),
                 "objects share something: keep all state in the object that create returns");
  const std::unique_ptr<Curvature> reused = part.make(options);
  reused->start();
  products_along(*reused, problem, path);
  reused->start();
  findings.holds("start forgets the solve before", same(once, products_along(*reused, problem, path)),
                 "give the table a start that puts the object back to where create left it");
}

/// Points that a solve would rather not see: far away, and with numbers that are not finite.
void bad_points(const CurvaturePart& part, const Options& options, const Target& target, Findings& findings) {
  const Problem& problem = *target.problem;
  const std::unique_ptr<Curvature> curvature = part.make(options);
  const CurvatureNeeds needs = curvature->needs();
  const char* law = "far points: refresh fails, or products are finite";
  const char* advice = "let refresh return KAPPA_FAILED with a sentence where what it computes is not finite";
  bool kept = true;
  Evaluation at;
  for (const double scale : {1e2, 1e4, 1e8}) {
    Point x = target.x0;
    for (double& e : x) {
      e *= scale;
    }
    if (problem.dimension() != problem.tangent_dimension() ||
        evaluate_at(problem, x, needs, at) != EvalStatus::ok) {
      continue;
    }
    curvature->start();
    if (curvature->refresh(at, nullptr, {}) == Curvature::Status::ok) {
      Point v(at.gradient.size(), 1.0);
      Point out(v.size(), nan);
      curvature->at_point().multiply(v, out);
      kept = kept && std::all_of(out.begin(), out.end(), [](double e) { return std::isfinite(e); });
    }
  }
  findings.holds(law, kept, advice);
  if (evaluate_at(problem, target.x0, needs, at) != EvalStatus::ok) {
    return;
  }
  const Point good = at.gradient;
  std::fill(at.gradient.begin(), at.gradient.end(), nan);
  std::fill(at.x.begin(), at.x.end(), nan);
  at.value = nan;
  curvature->start();
  static_cast<void>(curvature->refresh(at, nullptr, {}));
  curvature->start();
  findings.holds("after a point that is not finite, start begins anew",
                 same(products_along(*curvature, problem, {target.x0}),
                      fresh_products(part, options, problem, {target.x0})),
                 "NaNs of an earlier point are still in the object: clear what start keeps");
}

/// Differences of gradients against products; for problems without manifolds.
void exactness(const SymmetricOperator& B, const Problem& problem, ConstVectorRef x, Findings& findings) {
  const auto n = static_cast<std::size_t>(problem.dimension());
  double scale = 0;
  double error = 0;
  for (std::size_t j = 0; j < n; ++j) {
    const double h = 6e-6 * std::max(std::fabs(x[j]), 1e-3);
    std::vector<Point> gradient;
    for (const double sign : {1.0, -1.0}) {
      Point moved(x.begin(), x.end());
      moved[j] += sign * h;
      Evaluation at;
      if (evaluate_at(problem, moved, {}, at) != EvalStatus::ok) {
        return;
      }
      gradient.push_back(at.gradient);
    }
    Point unit(n, 0.0);
    Point column(n, nan);
    unit[j] = 1;
    B.multiply(unit, column);
    for (std::size_t i = 0; i < n; ++i) {
      const double difference = (gradient[0][i] - gradient[1][i]) / (2 * h);
      scale = std::max(scale, std::fabs(difference));
      error = std::max(error, std::fabs(difference - column[i]));
    }
  }
  findings.require(
      "B is the Hessian, as claimed (differences of gradients)", error / std::max(scale, 1e-300), 1e-5,
      "B differs from the differences of gradients: take the claim back (no --exact), or mend it");
}

void cost(const SymmetricOperator& B, const CheckSettings& settings, Findings& findings) {
  Point v(static_cast<std::size_t>(B.size()), 1.0);
  Point out(v.size());
  constexpr int first = 10;  // a problem may find it worth while to form its matrix
  for (int k = 0; k < first; ++k) {
    B.multiply(v, out);
  }
  if (settings.allocations) {
    const std::uint64_t before = settings.allocations();
    constexpr int products = 10;
    for (int k = 0; k < products; ++k) {
      B.multiply(v, out);
    }
    const auto made = static_cast<double>(settings.allocations() - before);
    findings.require("allocations in a product", made / products, 0,
                     "reserve the scratch of multiply in refresh, and use it again");
  }
  using Clock = std::chrono::steady_clock;
  const Clock::time_point start = Clock::now();
  int products = 0;
  std::chrono::duration<double> spent{};
  do {
    B.multiply(v, out);
    ++products;
    spent = Clock::now() - start;
  } while (spent.count() < 2e-3 && products < 10000);
  findings.note("microseconds for a product", 1e6 * spent.count() / products);
}

/// The sentence that a plugin gave, without the host's words about where it comes from.
std::string own_sentence(std::string_view fault) {
  constexpr std::string_view before = "refresh says: ";
  const std::size_t at = fault.find(before);
  return std::string(at == std::string_view::npos ? fault : fault.substr(at + before.size()));
}

enum class Fits : std::uint8_t { yes, no };

/// The operators along a path; Fits::no where the part says of the first point that it does not fit.
Fits operators_along(Curvature& curvature, const Target& target, const std::vector<Point>& path,
                     const CheckSettings& settings, bool exact, Findings& findings) {
  const Problem& problem = *target.problem;
  const CurvatureNeeds needs = curvature.needs();
  curvature.start();
  Evaluation now;
  Evaluation before;
  for (std::size_t k = 0; k < path.size(); ++k) {
    std::swap(now, before);
    if (evaluate_at(problem, path[k], needs, now) != EvalStatus::ok) {
      break;
    }
    Point step(now.gradient.size());
    if (k > 0) {
      problem.local(path[k - 1], path[k], step);
    }
    const bool history = k > 0 && needs.history != CurvatureNeeds::History::none;
    const bool refreshed =
        curvature.refresh(now, history ? &before : nullptr,
                          history ? ConstVectorRef(step) : ConstVectorRef()) == Curvature::Status::ok;
    const std::string why = std::string(curvature.fault());
    if (k == 0 && !refreshed && says_unfit(curvature)) {
      findings.does_not_apply(own_sentence(why));
      return Fits::no;
    }
    findings.holds(
        "refresh works where the problem is well behaved", refreshed,
        why.empty() ? "refresh failed and did not say why: write a sentence into `error`" : why.c_str());
    if (!refreshed) {
      break;
    }
    laws_at(curvature.at_point(), now.gradient, findings);
    if (exact && problem.dimension() == problem.tangent_dimension() && problem.dimension() <= 20) {
      exactness(curvature.at_point(), problem, path[k], findings);
    }
    if (k + 1 == path.size()) {
      cost(curvature.at_point(), settings, findings);
    }
  }
  return Fits::yes;
}

}  // namespace

void check_curvature(const CurvaturePart& part, const CheckSettings& settings, Findings& findings) {
  const Options options = options_for(settings, part.info.name);
  const bool exact =
      std::find(settings.exact.begin(), settings.exact.end(), part.info.name) != settings.exact.end();
  Index problems = 0;
  for (const Target& target : check_problems()) {
    findings.problem(target.address());
    const std::unique_ptr<Curvature> curvature = part.make(options);
    if (!target.problem->models().contains(curvature->needs().models)) {
      findings.does_not_apply("the problem has not all models that `needs` asks for");
      continue;
    }
    const std::vector<Point> path = path_from(target);
    if (operators_along(*curvature, target, path, settings, exact, findings) == Fits::yes) {
      ++problems;
      determinism(part, options, *target.problem, path, findings);
      bad_points(part, options, target, findings);
    }
  }
  findings.problem("any problem");
  findings.holds("it can be used on some problem of the check", problems > 0,
                 "it fits no problem of the check, for the reasons under \"not applicable\"; ask for fewer "
                 "models in needs, or refuse fewer points with KAPPA_UNFIT");
}

}  // namespace kappa::detail
