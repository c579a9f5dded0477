// Registry: the parts of a method by name. A new part is one new file and one registration line.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "kappa/acceptance.h"
#include "kappa/curvature.h"
#include "kappa/method.h"
#include "kappa/options.h"
#include "kappa/step.h"

namespace kappa {

enum class PartKind : std::uint8_t { curvature, step, acceptance, optimizer };
const char* name(PartKind kind);

/// What documentation and `kappa list` say of a part.
struct PartInfo {
  PartKind kind = PartKind::curvature;
  std::string name;
  std::string summary;  ///< one sentence
  std::string source;   ///< paper and equation
  std::vector<OptionInfo> options;
  std::string origin = "built-in";
};

struct CurvaturePart {
  PartInfo info;
  std::function<std::unique_ptr<Curvature>(const Options&)> make;
};
struct StepPart {
  PartInfo info;
  ControlKind control = ControlKind::radius;
  std::function<std::unique_ptr<StepSolver>(const Options&)> make;
  bool blocks = false;          ///< it solves with SymmetricOperator::blocks()
  bool preconditioned = false;  ///< it uses Subproblem::preconditioner
};
struct AcceptancePart {
  PartInfo info;
  ControlKind control = ControlKind::radius;
  std::function<std::unique_ptr<Acceptance>(const Options&)> make;
};
struct OptimizerPart {
  PartInfo info;
  std::function<Method(const Options&)> make;
};

/// Thread-safe. Registered parts stay for the life of the process; references stay valid.
class Registry {
 public:
  Registry();  ///< with the built-in parts
  ~Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  /// Throws Error where the name is taken.
  void add(CurvaturePart part);
  void add(StepPart part);
  void add(AcceptancePart part);
  void add(OptimizerPart part);

  /// Throws Error naming the valid names.
  const CurvaturePart& curvature(std::string_view name) const;
  const StepPart& step(std::string_view name) const;
  const AcceptancePart& acceptance(std::string_view name) const;
  const OptimizerPart& optimizer(std::string_view name) const;

  /// All parts, by kind and then in order of registration.
  std::vector<PartInfo> list() const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

/// The process's registry.
Registry& registry();

}  // namespace kappa
