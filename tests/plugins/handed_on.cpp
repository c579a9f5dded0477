// A plugin that hands the problem's own Gauss-Newton model on, through the public header alone: what the
// boundary costs and whether it keeps every bit is measured with it.
#include <optional>

#include "kappa/plugin.hpp"

namespace {

namespace plugin = kappa::plugin;
using plugin::Output;
using plugin::Point;
using plugin::Vector;

class HandedOn {
 public:
  plugin::Needs needs() const {
    return {.models = plugin::models(plugin::Model::gauss_newton), .blocks = true};
  }
  void refresh(const Point& now, const Point*, Vector) { now_.emplace(now); }

  void multiply(Vector v, Output out) const { now_->product(plugin::Model::gauss_newton, v, out); }
  bool diagonal(Output out) const { return now_->diagonal(plugin::Model::gauss_newton, out); }
  bool dense(double* out, std::size_t stride) const {
    const kappa_point& point = now_->table();
    return point.dense(point.self, KAPPA_MODEL_GAUSS_NEWTON, out, static_cast<std::int64_t>(stride)) ==
           KAPPA_OK;
  }
  bool blocks(kappa_blocks& out) const { return now_->blocks(plugin::Model::gauss_newton, out); }
  bool root(kappa_root& out) const {
    const kappa_point& point = now_->table();
    return point.root(point.self, KAPPA_MODEL_GAUSS_NEWTON, &out) == KAPPA_OK;
  }
  plugin::Definiteness definiteness() const { return plugin::Definiteness::positive_semidefinite; }

 private:
  std::optional<Point> now_;
};

}  // namespace

#ifndef HANDED_ON
#define HANDED_ON "handed-on"
#endif

KAPPA_PLUGIN(HANDED_ON, "1.0",
             plugin::curvature<HandedOn>(HANDED_ON, "The problem's own Gauss-Newton model.",
                                         "Nocedal & Wright 2006, eq. 10.24"))
