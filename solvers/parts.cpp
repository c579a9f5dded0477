#include "solvers/parts.h"

#include <algorithm>
#include <utility>

#include "kappa/registry.h"
#include "solvers/step/preconditioner.h"
#include "solvers/text.h"

namespace kappa::detail {

namespace {

constexpr Index dense_radius_limit = 500;   // an eigenvalue decomposition of this size takes under a second
constexpr Index dense_factor_limit = 2000;  // a dense factor of this size is 32 MB and takes about a second
constexpr Index root_limit = 500;           // QR of a tall matrix of this width
constexpr double ordering_flops = 2e5;      // what ordering a block of the whole takes, about 0.1 ms
constexpr double cheap_flops = 50e6;        // a few milliseconds: looking for less would cost more

bool diagonal_only(const SymmetricOperator::Offers& offers) {
  return offers.diagonal && !offers.dense && !offers.blocks && !offers.root;
}

std::string list_models(ModelSet models) {
  std::string out;
  for (const Model m : {Model::exact, Model::gauss_newton, Model::fisher, Model::sampled_fisher,
                        Model::empirical_fisher, Model::squared_mean_gradient}) {
    if (models.contains(m)) {
      out += (out.empty() ? "" : ", ") + std::string(name(m));
    }
  }
  return out.empty() ? "none" : out;
}

/// Whether forming and factoring the n x n matrix takes less than the products of conjugate gradients would,
/// with the numbers in `why`. Both works are known.
bool factor_is_cheaper(const Offers& offers, Index n, std::string& why) {
  // TRON takes 4 to 60 on the sets of docs/benchmarks.md, section "Logistic regression", most of them in the
  // last steps.
  constexpr double products = 20;
  // A blocked factorization computes with whole vectors, a pass over sparse features entry by entry.
  constexpr double vectors = 8;
  const auto size = static_cast<double>(n);
  const double factor = offers.dense_work + size * size * size / 6 / vectors;
  const double iterate = products * offers.product_work;
  const bool cheaper = factor <= iterate;
  print_to(why,
           "step %s: the matrix and its factor cost as much as %.3g products, and conjugate gradients are "
           "expected to take %.3g",
           cheaper ? "more-sorensen" : "steihaug-cg", factor / offers.product_work, products);
  return cheaper;
}

/// The named solver for B, or nothing where it does not fit or does not know the options.
std::unique_ptr<StepSolver> fitting(std::string_view name, const Options& options,
                                    const SymmetricOperator& B) {
  const StepPart& part = registry().step(name);
  for (const auto& [given, value] : options.entries()) {
    if (std::none_of(part.info.options.begin(), part.info.options.end(),
                     [&](const OptionInfo& option) { return option.name == given; })) {
      return nullptr;
    }
  }
  auto solver = part.make(options);
  return solver->unfit(B) ? nullptr : std::move(solver);
}

/// Elimination of the user's group where there is one. Otherwise elimination of an independent set or a
/// sparse factor of the whole, whichever takes fewer flops.
void choose_for_blocks(const SymmetricOperator& B, const Options& options, BlockChoice& choice) {
  const BlockStructure& structure = B.blocks()->structure;
  if (choice.structure == structure && choice.options == options) {
    return;
  }
  choice = {.structure = structure, .options = options, .name = {}, .why = {}, .solver = nullptr};
  auto schur = fitting("block-schur", options, B);
  if (schur != nullptr && !structure.elimination_group.empty()) {
    choice.name = "block-schur";
    choice.why = "step block-schur: the problem names the parameter blocks to eliminate first";
    choice.solver = std::move(schur);
    return;
  }
  const double looking = ordering_flops * static_cast<double>(structure.blocks());
  if (schur != nullptr && schur->flops() <= std::max(cheap_flops, looking)) {
    choice.name = "block-schur";
    choice.why = "step block-schur: eliminating an independent set of parameter blocks leaves little";
    choice.solver = std::move(schur);
    return;
  }
  auto cholesky = fitting("block-cholesky", options, B);
  const double sparse = cholesky != nullptr ? 1e-9 * cholesky->flops() : infinity;
  const double dense = schur != nullptr ? 1e-9 * schur->flops() : infinity;
  if (schur != nullptr && dense <= sparse) {
    choice.name = "block-schur";
    choice.solver = std::move(schur);
    print_to(choice.why,
             "step block-schur: the system left by eliminating an independent set takes %.3g GFlop, a sparse "
             "factor of the whole %.3g",
             dense, sparse);
  } else if (cholesky != nullptr) {
    choice.name = "block-cholesky";
    choice.solver = std::move(cholesky);
    if (schur != nullptr) {
      print_to(choice.why,
               "step block-cholesky: a sparse factor takes %.3g GFlop, the system left by eliminating an "
               "independent set %.3g",
               sparse, dense);
    } else {
      print_to(
          choice.why,
          "step block-cholesky: a sparse factor takes %.3g GFlop, and eliminating an independent set would "
          "leave too large a dense system",
          sparse);
    }
  }
}

}  // namespace

Choice choose_curvature(const Method& method, const Problem& problem) {
  if (method.curvature.name != "auto") {
    return {method.curvature.name, &method.curvature.options, ""};
  }
  const ModelSet models = problem.models();
  const bool damped = registry().acceptance(method.acceptance.name).control == ControlKind::damping;
  if (models.contains(Model::gauss_newton) && (damped || !models.contains(Model::exact))) {
    return {"outer-product", &method.curvature.options,
            damped ? "curvature outer-product: the problem has residuals, and damping covers what the "
                     "Gauss-Newton model leaves out"
                   : "curvature outer-product: the problem offers no exact second derivatives"};
  }
  if (models.contains(Model::exact)) {
    return {"exact", &method.curvature.options,
            models.contains(Model::gauss_newton)
                ? "curvature exact: a trust region or line search can use the whole Hessian"
                : "curvature exact: the problem has no residuals"};
  }
  throw Error(
      "no curvature can be chosen: the problem offers no second-order model; name a curvature that needs "
      "gradients only");
}

Choice choose_preconditioner(const Method& method, const Problem& problem) {
  static const Options empirical{{"model", "empirical-fisher"}};
  if (method.preconditioner.name == "none") {
    return {"", nullptr};
  }
  if (method.preconditioner.name != "auto") {
    return {method.preconditioner.name, &method.preconditioner.options};
  }
  return problem.models().contains(Model::empirical_fisher)
             ? Choice{"diagonal", &empirical,
                      "preconditioner: the diagonal of the empirical Fisher matrix, as the curvature's own "
                      "takes "
                      "too many products"}
             : Choice{"", nullptr};
}

bool keeps_preconditioner(const SymmetricOperator& B) {
  const Offers offers = B.offers();
  return !offers.diagonal || offers.diagonal_products() > Preconditioner::affordable;
}

Choice choose_step(const Method& method, const SymmetricOperator& B, ControlKind control, TrialNeeds needs,
                   BlockChoice& blocks) {
  if (method.step.name != "auto") {
    return {method.step.name, &method.step.options, ""};
  }
  const Options* options = &method.step.options;
  const SymmetricOperator::Offers offers = B.offers();
  const Index n = B.size();
  if (needs == TrialNeeds::nothing) {
    return {"scaled-gradient", options, "step scaled-gradient: a schedule moves along a scaled gradient"};
  }
  const bool solves = B.solve_kind() != SolveKind::absent;
  switch (control) {
    case ControlKind::damping:
      if (solves) {
        return {"own-solve", options, "step own-solve: the curvature solves its damped system by itself"};
      }
      if (offers.root && n <= root_limit && B.root() != nullptr) {
        return {
            "damped-qr", options,
            "step damped-qr: the curvature has a small dense root, whose condition number is not squared"};
      }
      if (diagonal_only(offers)) {
        return {"damped-cholesky", options, "step damped-cholesky: a diagonal is solved entry by entry"};
      }
      if (offers.blocks && n > root_limit && B.blocks() != nullptr) {
        choose_for_blocks(B, *options, blocks);
        if (!blocks.name.empty()) {
          return {blocks.name, options, blocks.why.c_str()};
        }
      }
      if (offers.dense && n <= dense_factor_limit) {
        return {"damped-cholesky", options, "step damped-cholesky: the matrix is dense and of moderate size"};
      }
      return {"damped-cg", options, "step damped-cg: only products are affordable"};
    case ControlKind::radius:
      if (offers.dense && n <= dense_factor_limit && offers.dense_work > 0 && offers.product_work > 0) {
        const bool factor = factor_is_cheaper(offers, n, blocks.weighed);
        return {factor ? "more-sorensen" : "steihaug-cg", options, blocks.weighed.c_str()};
      }
      if ((diagonal_only(offers) && !solves) || (offers.dense && n <= dense_radius_limit)) {
        return {"more-sorensen", options,
                "step more-sorensen: the matrix is small enough to be solved exactly"};
      }
      return {"steihaug-cg", options, "step steihaug-cg: only products are affordable"};
    case ControlKind::step_length:
      if (solves && B.definiteness() == Definiteness::positive_semidefinite) {
        return {"own-direction", options,
                "step own-direction: the curvature is positive definite and solves its system by itself"};
      }
      if ((diagonal_only(offers) && !solves) || (offers.dense && n <= dense_factor_limit)) {
        return {"modified-cholesky", options,
                "step modified-cholesky: the matrix is dense and of moderate size"};
      }
      return {"newton-cg", options, "step newton-cg: only products are affordable"};
    case ControlKind::cubic_weight:
      return {"cubic-lanczos", options, "step cubic-lanczos: it minimises the model with a cubic term"};
  }
  throw Error("no step solver can be chosen for acceptance '" + method.acceptance.name + "': name one");
}

bool expects_blocks(const Method& method, const Problem& problem, const CurvatureNeeds& needs,
                    ControlKind control) {
  if (!needs.blocks) {
    return false;
  }
  return method.step.name == "auto"
             ? control == ControlKind::damping && problem.tangent_dimension() > root_limit
             : registry().step(method.step.name).blocks;
}

void require_models(const Problem& problem, std::string_view curvature, const CurvatureNeeds& needs) {
  const ModelSet offered = problem.models();
  if (offered.contains(needs.models)) {
    return;
  }
  throw Error("curvature '" + std::string(curvature) + "' needs second-order model " +
              list_models(needs.models) + ", and this problem offers " + list_models(offered) +
              (offered.contains(Model::exact) ? "; use curvature exact, diagonal or hessian-free"
                                              : "; use a curvature built on what it offers"));
}

void require_same_control(std::string_view step, ControlKind step_control, std::string_view acceptance,
                          ControlKind acceptance_control) {
  if (step_control == acceptance_control) {
    return;
  }
  std::string steps;
  std::string acceptances;
  for (const PartInfo& info : registry().list()) {
    if (info.kind == PartKind::step && registry().step(info.name).control == acceptance_control) {
      steps += (steps.empty() ? "" : ", ") + info.name;
    }
    if (info.kind == PartKind::acceptance && registry().acceptance(info.name).control == step_control) {
      acceptances += (acceptances.empty() ? "" : ", ") + info.name;
    }
  }
  throw Error("step '" + std::string(step) + "' takes a " + name(step_control) + " and acceptance '" +
              std::string(acceptance) + "' sets a " + name(acceptance_control) +
              "; with this acceptance use step " + steps + ", or with this step acceptance " + acceptances);
}

}  // namespace kappa::detail
