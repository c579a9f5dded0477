// The parts of a plugin as parts of kappa: one adapter for each kind of table.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "kappa/loss.h"
#include "kappa/plugin.h"
#include "kappa/plugin_host.h"
#include "kappa/registry.h"

namespace kappa::detail {

/// A part that has been looked over: the table has all that it must have.
struct PluginPart {
  PartInfo info;  ///< kind where the registry has it
  std::int32_t kind = 0;
  std::vector<OptionValue> defaults;  ///< of info.options, with the type of each
  const void* table = nullptr;
  const kappa_host* host = nullptr;
  std::string where;  ///< "curvature 'mine' of plugin 'mine' 1.0 (/path/libmine.so)"

  template <class Table>
  const Table* as() const {
    return static_cast<const Table*>(table);
  }
};
using SharedPart = std::shared_ptr<const PluginPart>;

/// The options as JSON text, converted to the types of their defaults. Throws Error for one that is not
/// listed.
std::string options_text(const PluginPart& part, const Options& given);

/// Makes an object of the part. Throws Error with the plugin's sentence.
template <class Table>
void* create_object(const PluginPart& part, const Options& given);

/// What a table of each kind must have; the name of the first entry that is missing, or nullptr.
const char* missing_entry(std::int32_t kind, const void* table);

CurvaturePart curvature_part(const SharedPart& part);
/// Whether this is a plugin's curvature whose last refresh answered KAPPA_UNFIT: the problem lacks what it
/// needs, which is no fault of either.
bool says_unfit(const Curvature& curvature);
StepPart step_part(const SharedPart& part);
StepPart linear_solver_part(const SharedPart& part);
AcceptancePart acceptance_part(const SharedPart& part);
Loss make_loss(const SharedPart& part, const Options& options);
PluginProblem make_problem(const SharedPart& part, const Options& options);

}  // namespace kappa::detail
