// Built-in parts that are handed out through the C tables and taken back in give the same bits; so does a
// plugin of version 1, and one that another compiler made.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <memory>

#include "kappa/kappa.h"
#include "kappa/plugin_host.h"
#include "loaded.h"
#include "plugins/host/parts.h"
#include "problems/targets.h"
#include "support/catch.h"

namespace {

using namespace kappa;
using test::built;

std::size_t at(Index n) {
  return static_cast<std::size_t>(n);
}

Control control_of(ControlKind kind, double value) {
  Control out = Damping{value};
  if (kind == ControlKind::radius) {
    out = Radius{value};
  } else if (kind == ControlKind::step_length) {
    out = StepLength{value};
  }
  return out;
}

/// The host's operator as a plugin's author would wrap it.
class TableOperator final : public SymmetricOperator {
 public:
  explicit TableOperator(const kappa_operator& table) : table_(&table) {}

  Index size() const override { return table_->size; }
  void multiply(ConstVectorRef v, VectorRef out) const override {
    table_->multiply(table_->self, v.data(), out.data());
  }
  Definiteness definiteness() const override { return static_cast<Definiteness>(table_->definiteness); }
  bool diagonal(VectorRef out) const override {
    return table_->diagonal != nullptr && table_->diagonal(table_->self, out.data()) == KAPPA_OK;
  }
  bool dense(MatrixRef out) const override {
    return table_->dense != nullptr && table_->dense(table_->self, out.data, out.stride) == KAPPA_OK;
  }
  const Root* root() const override {
    kappa_root given{};
    given.struct_size = sizeof given;
    if (table_->root == nullptr || table_->root(table_->self, &given) != KAPPA_OK) {
      return nullptr;
    }
    root_.A = {given.A, given.rows, size(), given.stride};
    root_.c = given.c == nullptr ? ConstVectorRef() : ConstVectorRef(given.c, at(given.rows));
    return &root_;
  }
  const BlockMatrix* blocks() const override {
    kappa_blocks given{};
    given.struct_size = sizeof given;
    if (table_->blocks == nullptr || table_->blocks(table_->self, &given) != KAPPA_OK) {
      return nullptr;
    }
    BlockStructure& s = blocks_.structure;
    const Index stored = given.row_start[given.blocks];
    s.offset.assign(given.offset, given.offset + given.blocks + 1);
    s.row_start.assign(given.row_start, given.row_start + given.blocks + 1);
    s.column.assign(given.column, given.column + stored);
    s.value_start.assign(given.value_start, given.value_start + stored + 1);
    blocks_.values.resize(at(s.values()));
    std::copy_n(given.values, blocks_.values.size(), blocks_.values.data());
    return &blocks_;
  }
  Offers offers() const override {
    return {.diagonal = table_->diagonal != nullptr,
            .dense = table_->dense != nullptr,
            .blocks = table_->blocks != nullptr,
            .root = table_->root != nullptr};
  }

 private:
  const kappa_operator* table_;
  mutable Root root_;
  mutable BlockMatrix blocks_;
};

/// Whose diagonal is the metric's weights, so that Metric takes them in.
class Weights final : public SymmetricOperator {
 public:
  explicit Weights(ConstVectorRef weights) : weights_(weights) {}
  Index size() const override { return static_cast<Index>(weights_.size()); }
  void multiply(ConstVectorRef, VectorRef) const override {}
  bool diagonal(VectorRef out) const override {
    std::copy(weights_.begin(), weights_.end(), out.begin());
    return true;
  }

 private:
  ConstVectorRef weights_;
};

struct ExportedStep {
  std::unique_ptr<StepSolver> solver;
  std::unique_ptr<TableOperator> B;
  Metric metric{MetricKind::marquardt};
};

template <const char* name>
kappa_status create_step(const kappa_host*, const char*, void** self, kappa_text) {
  auto* const out = new ExportedStep;
  out->solver = registry().step(name).make({});
  *self = out;
  return KAPPA_OK;
}

ExportedStep& step_of(void* self) {
  return *static_cast<ExportedStep*>(self);
}

kappa_status status_of(StepStatus status) {
  return status == StepStatus::ok            ? KAPPA_OK
         : status == StepStatus::indefinite  ? KAPPA_INDEFINITE
         : status == StepStatus::interrupted ? KAPPA_INTERRUPTED
                                             : KAPPA_FAILED;
}

template <const char* name>
const kappa_step_solver* exported_step() {
  static kappa_step_solver table{};
  table.struct_size = sizeof table;
  table.control = static_cast<std::int32_t>(registry().step(name).control);
  table.create = create_step<name>;
  table.destroy = [](void* self) { delete static_cast<ExportedStep*>(self); };
  table.start = [](void* self) { step_of(self).solver->start(); };
  table.unfit = [](void* self, const kappa_operator* B, kappa_text why) -> kappa_status {
    const auto sentence = step_of(self).solver->unfit(TableOperator(*B));
    if (sentence) {
      std::strncpy(why.data, sentence->c_str(), why.capacity - 1);
    }
    return sentence ? KAPPA_UNFIT : KAPPA_OK;
  };
  table.prepare = [](void* self, const kappa_subproblem* model, kappa_text) -> kappa_status {
    ExportedStep& step = step_of(self);
    step.B = std::make_unique<TableOperator>(*model->B);
    const ConstVectorRef weights(model->weights, at(model->size));
    // The identity's norm is summed in another way than that of weights that are all 1.
    const bool plain = std::all_of(weights.begin(), weights.end(), [](double w) { return w == 1; });
    step.metric.reset(plain ? MetricKind::identity : MetricKind::marquardt);
    step.metric.update(Weights(weights));
    return status_of(step.solver->prepare({*step.B, {model->gradient, at(model->size)}, step.metric}));
  };
  table.solve = [](void* self, double control, double* out, kappa_step_report* report) -> kappa_status {
    ExportedStep& step = step_of(self);
    const StepReport given =
        step.solver->solve(control_of(step.solver->control(), control), {out, at(step.B->size())});
    report->slope = given.slope;
    report->predicted_decrease = given.predicted_decrease;
    report->norm = given.norm;
    report->limit = static_cast<std::int32_t>(given.limit);
    report->blame = given.blame;
    report->inner_iterations = given.inner_iterations;
    return status_of(given.status);
  };
  return &table;
}

template <const char* name>
const kappa_acceptance* exported_acceptance() {
  static kappa_acceptance table{};
  table.struct_size = sizeof table;
  table.control = static_cast<std::int32_t>(registry().acceptance(name).control);
  table.needs = static_cast<std::int32_t>(registry().acceptance(name).make({})->needs());
  table.create = [](const kappa_host*, const char*, void** self, kappa_text) -> kappa_status {
    *self = registry().acceptance(name).make({}).release();
    return KAPPA_OK;
  };
  table.destroy = [](void* self) { delete static_cast<Acceptance*>(self); };
  table.start = [](void* self, const kappa_start* info) {
    StartInfo given;
    given.gradient_norm = info->gradient_norm;
    given.point_norm = info->point_norm;
    given.value = info->value;
    given.variables = info->variables;
    return value(static_cast<Acceptance*>(self)->start(given));
  };
  table.judge = [](void* self, const kappa_trial* trial, double control, kappa_verdict* out) -> kappa_status {
    auto& acceptance = *static_cast<Acceptance*>(self);
    Trial given;
    given.evaluation = trial->evaluated != 0 ? EvalStatus::ok : EvalStatus::outside_domain;
    given.step.status = trial->step_status == KAPPA_OK           ? StepStatus::ok
                        : trial->step_status == KAPPA_INDEFINITE ? StepStatus::indefinite
                                                                 : StepStatus::failed;
    given.step.slope = trial->step_slope;
    given.step.predicted_decrease = trial->predicted_decrease;
    given.step.norm = trial->step_norm;
    given.step.longest = trial->longest;
    given.step.limit = static_cast<StepReport::Limit>(trial->limit);
    given.current_value = trial->current_value;
    given.value = trial->value;
    given.slope = trial->slope;
    given.value_rounding = trial->rounding;
    const Verdict verdict = acceptance.judge(given, control_of(acceptance.control(), control));
    out->decision = static_cast<std::int32_t>(verdict.decision);
    out->next = value(verdict.next);
    out->keep = verdict.keep == Verdict::Keep::yes ? 1 : 0;
    return KAPPA_OK;
  };
  return &table;
}

detail::SharedPart part(std::int32_t kind, const std::string& name, const void* table) {
  const auto out = std::make_shared<detail::PluginPart>();
  out->kind = kind;
  out->info.name = name;
  out->info.origin = "round trip";
  out->table = table;
  out->where = name;
  return out;
}

constexpr char cholesky[] = "damped-cholesky";
constexpr char qr[] = "damped-qr";
constexpr char sorensen[] = "more-sorensen";
constexpr char nielsen[] = "nielsen-damping";
constexpr char region[] = "trust-region";

void register_exports() {
  static const bool done = [] {
    Registry& r = registry();
    r.add(detail::step_part(part(KAPPA_PART_STEP_SOLVER, "out-damped-cholesky", exported_step<cholesky>())));
    r.add(detail::step_part(part(KAPPA_PART_STEP_SOLVER, "out-damped-qr", exported_step<qr>())));
    r.add(detail::step_part(part(KAPPA_PART_STEP_SOLVER, "out-more-sorensen", exported_step<sorensen>())));
    r.add(detail::acceptance_part(
        part(KAPPA_PART_ACCEPTANCE, "out-nielsen-damping", exported_acceptance<nielsen>())));
    r.add(detail::acceptance_part(
        part(KAPPA_PART_ACCEPTANCE, "out-trust-region", exported_acceptance<region>())));
    return true;
  }();
  static_cast<void>(done);
}

constexpr const char* suites[] = {"nist:Misra1a",
                                  "nist:MGH17",
                                  "nist:Hahn1",
                                  "mgh:rosenbrock",
                                  "mgh:helical-valley",
                                  "mgh:wood",
                                  "mgh:powell-singular",
                                  "bal:generated/street?cameras=2&points=20",
                                  "g2o:generated/sphere?poses=20",
                                  "network:6-5-3?samples=60",
                                  "libsvm:generated?samples=300",
                                  "gaussian:generated?n=40"};

void require_same(const Target& target, const Method& a, const Method& b) {
  Stopping stopping;
  stopping.max_iterations = 25;
  const Result own = minimize(*target.problem, target.x0, a, stopping);
  const Result through = minimize(*target.problem, target.x0, b, stopping);
  INFO(own.reason);
  INFO(through.reason);
  CHECK(own.x == through.x);
  CHECK(own.trials == through.trials);
  CHECK(own.iterations == through.iterations);
  CHECK(own.iterations > 0);
}

}  // namespace

TEST_CASE("built-in step solvers and acceptances behind the C tables give the same bits") {
  register_exports();
  for (const char* address : suites) {
    const Target target = load_target(address);
    for (const auto& [optimizer, step, acceptance] :
         {std::tuple("levenberg-marquardt", cholesky, nielsen),
          std::tuple("levenberg-marquardt", qr, nielsen), std::tuple("newton", sorensen, region)}) {
      CAPTURE(address, step);
      Method own = registry().optimizer(optimizer).make({});
      const bool residuals = target.problem->residuals() > 0;
      own.curvature = {target.problem->models().contains(Model::gauss_newton) ? "outer-product" : "exact"};
      own.step = {step};
      if (step == qr && (!residuals || target.problem->dimension() > 50)) {
        continue;  // there is no dense root
      }
      Method through = own;
      through.step = {std::string("out-") + step};
      require_same(target, own, through);
      through.acceptance = {std::string("out-") + acceptance};
      require_same(target, own, through);
    }
  }
}

TEST_CASE("a plugin compiled with the header of version 1 is loaded and gives the same bits") {
  const LoadedPlugin& plugin = test::loaded("v1_plugin");
  REQUIRE(plugin.parts.size() == 1);
  for (const char* address : {"nist:Misra1a", "mgh:rosenbrock"}) {
    CAPTURE(address);
    const Target target = load_target(address);
    Method own = levenberg_marquardt();
    own.step = {"damped-cholesky"};
    own.curvature = {"outer-product"};
    Method through = own;
    through.curvature = {"version-one"};
    require_same(target, own, through);
  }
}

TEST_CASE("a plugin that another compiler made gives the same bits") {
  if (!std::filesystem::exists(built("clang_plugin"))) {
    WARN("there is no clang here");
    return;
  }
  test::loaded("clang_plugin");
  test::loaded("clang_handed_on");
  const Target target = load_target("nist:Misra1a");
  for (const char* name : {"from-clang", "handed-on-by-clang"}) {
    CAPTURE(name);
    Method own = levenberg_marquardt();
    own.step = {"damped-cholesky"};
    own.curvature = {"outer-product"};
    Method through = own;
    through.curvature = {name};
    require_same(target, own, through);
  }
}
