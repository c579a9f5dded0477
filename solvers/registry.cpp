#include "kappa/registry.h"

#include <deque>
#include <mutex>

#include "solvers/acceptance/parts.h"
#include "solvers/curvature/parts.h"
#include "solvers/recipes/parts.h"
#include "solvers/step/parts.h"

namespace kappa {

const char* name(PartKind kind) {
  switch (kind) {
    case PartKind::curvature:
      return "curvature";
    case PartKind::step:
      return "step";
    case PartKind::acceptance:
      return "acceptance";
    case PartKind::optimizer:
      return "optimizer";
  }
  return "unknown";
}

/// Deques, because references stay valid while parts are added.
struct Registry::Parts {
  mutable std::mutex mutex;
  std::deque<CurvaturePart> curvatures;
  std::deque<StepPart> steps;
  std::deque<AcceptancePart> acceptances;
  std::deque<OptimizerPart> optimizers;
};

namespace {

template <class Part>
const Part* search(const std::deque<Part>& parts, std::string_view name) {
  for (const Part& part : parts) {
    if (part.info.name == name) {
      return &part;
    }
  }
  return nullptr;
}

template <class Part>
void insert(std::deque<Part>& parts, Part part) {
  if (const Part* other = search(parts, part.info.name)) {
    throw Error(std::string(name(part.info.kind)) + " '" + part.info.name + "' (" + part.info.origin +
                ") has the name of one that is already there (" + other->info.origin +
                "); give it another name");
  }
  parts.push_back(std::move(part));
}

template <class Part>
const Part& find(const std::deque<Part>& parts, std::string_view name, PartKind kind) {
  if (const Part* part = search(parts, name)) {
    return *part;
  }
  std::string valid;
  for (const Part& part : parts) {
    valid += (valid.empty() ? "" : ", ") + part.info.name;
  }
  throw Error("there is no " + std::string(kappa::name(kind)) + " '" + std::string(name) +
              "'; valid names: " + valid);
}

template <class Part>
void gather(const std::deque<Part>& parts, std::vector<PartInfo>& out) {
  for (const Part& part : parts) {
    out.push_back(part.info);
  }
}

}  // namespace

// The registration lines: one for each built-in part.
Registry::Registry() : parts_(std::make_unique<Parts>()) {
  add(exact_part());
  add(diagonal_part());
  add(outer_product_part());
  add(hessian_free_part());
  add(running_diagonal_part());
  add(squared_gradient_part());
  add(identity_part());
  add(variance_rates_part());
  add(secant_rates_part());
  add(structured_secant_part());
  add(model_switch_part());

  add(damped_qr_part());
  add(damped_cholesky_part());
  add(damped_cg_part());
  add(block_schur_part());
  add(block_cholesky_part());
  add(more_sorensen_part());
  add(steihaug_cg_part());
  add(modified_cholesky_part());
  add(bunch_kaufman_part());
  add(newton_cg_part());
  add(newton_mr_part());
  add(gltr_part());
  add(shifted_lanczos_part());
  add(cubic_lanczos_part());
  add(hessian_free_step_part());
  add(scaled_gradient_part());
  add(own_solve_part());
  add(own_direction_part());

  add(nielsen_damping_part());
  add(martens_damping_part());
  add(gradient_damping_part());
  add(trust_region_part());
  add(tron_radius_part());
  add(adaptive_cubic_part());
  add(armijo_part());
  add(strong_wolfe_part());
  add(schedule_part());

  add(levenberg_marquardt_part());
  add(newton_part());
  add(cubic_newton_part());
  add(regularized_newton_part());
  add(tron_part());
  add(hessian_free_optimizer_part());
  add(adaptive_rate_part());
  for (OptimizerPart& variant : adaptive_rate_variant_parts()) {
    add(std::move(variant));
  }
}

Registry::~Registry() = default;

void Registry::add(CurvaturePart part) {
  const std::lock_guard lock(parts_->mutex);
  part.info.kind = PartKind::curvature;
  insert(parts_->curvatures, std::move(part));
}
void Registry::add(StepPart part) {
  const std::lock_guard lock(parts_->mutex);
  part.info.kind = PartKind::step;
  insert(parts_->steps, std::move(part));
}
void Registry::add(AcceptancePart part) {
  const std::lock_guard lock(parts_->mutex);
  part.info.kind = PartKind::acceptance;
  insert(parts_->acceptances, std::move(part));
}
void Registry::add(OptimizerPart part) {
  const std::lock_guard lock(parts_->mutex);
  part.info.kind = PartKind::optimizer;
  insert(parts_->optimizers, std::move(part));
}

const CurvaturePart& Registry::curvature(std::string_view name) const {
  const std::lock_guard lock(parts_->mutex);
  return find(parts_->curvatures, name, PartKind::curvature);
}
const StepPart& Registry::step(std::string_view name) const {
  const std::lock_guard lock(parts_->mutex);
  return find(parts_->steps, name, PartKind::step);
}
const AcceptancePart& Registry::acceptance(std::string_view name) const {
  const std::lock_guard lock(parts_->mutex);
  return find(parts_->acceptances, name, PartKind::acceptance);
}
const OptimizerPart& Registry::optimizer(std::string_view name) const {
  const std::lock_guard lock(parts_->mutex);
  return find(parts_->optimizers, name, PartKind::optimizer);
}

std::vector<PartInfo> Registry::list() const {
  const std::lock_guard lock(parts_->mutex);
  std::vector<PartInfo> out;
  gather(parts_->curvatures, out);
  gather(parts_->steps, out);
  gather(parts_->acceptances, out);
  gather(parts_->optimizers, out);
  return out;
}

Registry& registry() {
  static Registry instance;
  return instance;
}

}  // namespace kappa
