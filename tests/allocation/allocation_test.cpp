// Counts the calls of malloc and its kin in the whole process. kappa allocates nothing after the first
// accepted iteration of a solve, and nothing at all in a solve that a Workspace has seen the like of.
#include <dlfcn.h>
#include <tbb/global_control.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "kappa/kappa.h"
#include "problems/analytic/mgh_problem.h"
#include "problems/analytic/nist_problem.h"
#include "problems/targets.h"
#include "solvers/linear/block_cholesky.h"
#include "support/catch.h"
#include "support/manifold_problems.h"

namespace {

std::atomic<bool> counting{false};
std::atomic<long> allocations{0};

void count() {
  if (counting.load(std::memory_order_relaxed)) {
    allocations.fetch_add(1, std::memory_order_relaxed);
  }
}

}  // namespace

extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);

void* malloc(std::size_t size) {
  count();
  return __libc_malloc(size);
}
void* calloc(std::size_t n, std::size_t size) {
  count();
  return __libc_calloc(n, size);
}
void* realloc(void* p, std::size_t size) {
  count();
  return __libc_realloc(p, size);
}
void* aligned_alloc(std::size_t alignment, std::size_t size) {
  count();
  return __libc_memalign(alignment, size);
}
int posix_memalign(void** out, std::size_t alignment, std::size_t size) {
  count();
  *out = __libc_memalign(alignment, size);
  return *out == nullptr ? 12 : 0;
}
}

namespace {

/// Counts from the first accepted iteration on.
class FromFirstIteration final : public kappa::Observer {
 public:
  void observe(const kappa::Progress& p) override {
    if (p.event == kappa::Progress::Event::accepted && p.iteration == 1) {
      allocations = 0;
      counting = true;
    }
    ++seen;
  }
  int seen = 0;
};

struct Recipe {
  const char* name;
  kappa::Method method;
};

std::vector<Recipe> recipes() {
  using namespace kappa;
  return {
      {"levenberg-marquardt", levenberg_marquardt()},
      {"levenberg-marquardt exact", levenberg_marquardt({.curvature = {"exact"}})},
      {"levenberg-marquardt structured-secant", levenberg_marquardt({.curvature = {"structured-secant"}})},
      {"levenberg-marquardt model-switch",
       levenberg_marquardt({.curvature = {"model-switch", {{"exact", std::string("yes")}}}})},
      {"levenberg-marquardt diagonal", levenberg_marquardt({.curvature = {"diagonal"}})},
      {"levenberg-marquardt damped-cg", levenberg_marquardt({.curvature = {"hessian-free"}})},
      {"levenberg-marquardt block-schur", levenberg_marquardt({.step = {"block-schur"}})},
      {"levenberg-marquardt block-cholesky", levenberg_marquardt({.step = {"block-cholesky"}})},
      {"newton", newton()},
      {"newton steihaug", newton({.curvature = {"hessian-free"}})},
      {"newton armijo", newton({.acceptance = {"armijo"}})},
      {"newton strong-wolfe", newton({.acceptance = {"strong-wolfe"}})},
      {"newton bunch-kaufman", newton({.step = {"bunch-kaufman"}, .acceptance = {"armijo"}})},
      {"newton-cg", newton({.curvature = {"hessian-free"}, .acceptance = {"armijo"}})},
      {"newton gltr", newton({.step = {"gltr"}})},
      {"newton-mr", newton({.step = {"newton-mr"}, .acceptance = {"armijo"}})},
      {"levenberg-marquardt shifted-lanczos", levenberg_marquardt({.step = {"shifted-lanczos"}})},
      {"hessian-free", hessian_free()},
      {"hessian-free preconditioned",
       hessian_free({.preconditioner = {"diagonal", {{"model", std::string("gauss-newton")}}}})},
      {"hessian-free mini-batch", hessian_free({.batch = {.size = 40, .seed = 1, .curvature_size = 20}})},
      {"cubic-newton", cubic_newton()},
      {"regularized-newton", regularized_newton()},
      {"tron", tron()},
      {"adahessian", adahessian()},
      {"sdlm", sdlm()},
      {"adahessian mini-batch", adahessian({.size = 4, .seed = 1})},
  };
}

}  // namespace

namespace {

void check_from_first_iteration(const kappa::ResidualProblem& problem) {
  const std::vector<double> start = problem.initial();
  kappa::Stopping stopping;
  stopping.max_iterations = 30;
  for (const Recipe& recipe : recipes()) {
    INFO(recipe.name);
    if (recipe.method.batch.curvature_size > 0) {
      continue;  // four slots take turns on samples: the last of them is first used some iterations later
    }
    FromFirstIteration observer;
    kappa::Workspace workspace;
    const kappa::Result& result =
        kappa::minimize(problem, start, recipe.method, stopping, &observer, workspace);
    const long counted = allocations;
    counting = false;
    CHECK(result.iterations >= 2);
    CHECK(observer.seen >= 2);
    const bool walks = recipe.method.step.name == "hessian-free";
    CHECK(counted <= (walks ? 1 : 0));  // the slot of a walk's first kept trial
  }
}

}  // namespace

TEST_CASE("no recipe allocates after its first accepted iteration", "[allocation]") {
  check_from_first_iteration(kappa::make_nist(kappa::nist_problem("Chwirut2"), 0));
}

TEST_CASE("no recipe allocates after its first accepted iteration on manifolds", "[allocation]") {
  check_from_first_iteration(test::loop_in_space());
  check_from_first_iteration(test::linear_on(kappa::manifolds::sphere(4), {0.5, -0.5, 0.5, 0.5}, 1.0));
}

TEST_CASE("a Gaussian likelihood allocates nothing after its first accepted iteration", "[allocation]") {
  // On one thread: another one's buffers are allocated when it first takes part.
  const tbb::global_control alone(tbb::global_control::max_allowed_parallelism, 1);
  const kappa::Target target =
      kappa::load_target("gaussian:generated?n=70&kernel=matern52*periodic+se&mean=linear");
  const kappa::Options fisher = {{"model", "fisher"}};
  for (const kappa::Method& method :
       {kappa::newton(), kappa::levenberg_marquardt({.curvature = {"outer-product", fisher}})}) {
    FromFirstIteration observer;
    kappa::Workspace workspace;
    kappa::Stopping stopping;
    stopping.max_iterations = 8;
    const kappa::Result& result =
        kappa::minimize(*target.problem, target.x0, method, stopping, &observer, workspace);
    const long counted = allocations;
    counting = false;
    CHECK(result.iterations >= 4);
    CHECK(counted == 0);
  }
}

TEST_CASE("the counter counts", "[allocation]") {
  allocations = 0;
  counting = true;
  auto* p = new std::vector<double>(100);
  counting = false;
  CHECK(allocations >= 2);
  delete p;
}

namespace {

void check_second_solve(const kappa::ResidualProblem& problem) {
  const std::vector<double> start = problem.initial();
  kappa::Stopping stopping;
  stopping.max_iterations = 30;
  for (const Recipe& recipe : recipes()) {
    INFO(recipe.name);
    kappa::Workspace workspace;
    const kappa::Result& result =
        kappa::minimize(problem, start, recipe.method, stopping, nullptr, workspace);
    const std::vector<double> first = result.x;
    const std::string reason = result.reason;
    kappa::minimize(problem, start, recipe.method, stopping, nullptr, workspace);
    allocations = 0;
    counting = true;
    kappa::minimize(problem, start, recipe.method, stopping, nullptr, workspace);
    counting = false;
    CHECK(allocations == 0);
    CHECK(result.x == first);
    CHECK(result.reason == reason);
  }
}

}  // namespace

TEST_CASE("a solve that the workspace has seen the like of allocates nothing", "[allocation]") {
  check_second_solve(kappa::make_nist(kappa::nist_problem("Misra1a"), 0));
}

TEST_CASE("so does one on manifolds", "[allocation]") {
  check_second_solve(test::loop_in_space());
}

TEST_CASE("with bounds no recipe allocates after its first iteration either, where a face is held by then",
          "[allocation]") {
  // Brown and Dennis from a start on a face; another bound is met on the way. Osborne 2 has a fixed variable.
  for (const char* which : {"brown-dennis", "osborne-2"}) {
    const kappa::MghProblem& data = kappa::mgh_problem(which);
    const kappa::MghBounds& bounds = kappa::mgh_bounds(data);
    kappa::ResidualProblem problem = kappa::make_mgh(data, bounds, 1);
    std::vector<double> start = problem.initial();
    start[0] = bounds.lower[0];
    kappa::Stopping stopping;
    stopping.max_iterations = 30;
    for (const Recipe& recipe : recipes()) {
      if (recipe.method.batch.size > 0) {
        continue;  // one term
      }
      INFO(which << " " << recipe.name);
      kappa::Workspace workspace;
      FromFirstIteration observer;
      const kappa::Result& result =
          kappa::minimize(problem, start, recipe.method, stopping, &observer, workspace);
      const long counted = allocations;
      counting = false;
      CHECK(result.iterations >= 2);
      CHECK(counted <= 1);  // the slot of a line search's first kept trial
      const std::vector<double> first = result.x;
      kappa::minimize(problem, start, recipe.method, stopping, nullptr, workspace);
      allocations = 0;
      counting = true;
      kappa::minimize(problem, start, recipe.method, stopping, nullptr, workspace);
      counting = false;
      CHECK(allocations == 0);
      CHECK(result.x == first);
    }
  }
}

TEST_CASE("a sparse factorization of a known structure allocates nothing", "[allocation]") {
  // A grid of blocks of three variables, large enough for several threads.
  constexpr kappa::Index side = 30;
  kappa::BlockMatrix B;
  kappa::BlockStructure& s = B.structure;
  s.offset = s.row_start = s.value_start = {0};
  for (kappa::Index i = 0; i < side * side; ++i) {
    s.offset.push_back(3 * (i + 1));
    for (const kappa::Index j : {i, i + 1, i + side}) {
      if (j < side * side && (j != i + 1 || j % side != 0)) {
        s.column.push_back(static_cast<std::int32_t>(j));
        s.value_start.push_back(s.value_start.back() + 9);
        for (kappa::Index e = 0; e < 9; ++e) {
          B.values.push_back(i == j ? (e % 4 == 0 ? 20.0 : 0.0) : -1.0);
        }
      }
    }
    s.row_start.push_back(static_cast<kappa::Index>(s.column.size()));
  }
  kappa::detail::BlockCholesky factor;
  std::vector<double> x(static_cast<std::size_t>(s.size()), 1.0);
  const auto solve = [&] {
    factor.analyze(s);
    const bool ok = factor.factor(B, 0, {}) == -1;
    factor.solve(x);
    return ok;
  };
  for (int warm = 0; warm < 20; ++warm) {  // also for oneTBB's own pool
    REQUIRE(solve());
  }
  allocations = 0;
  counting = true;
  const bool solved = solve();
  counting = false;
  CHECK(solved);
  CHECK(allocations == 0);
}
