// Parts that do what plugin.h forbids, one fault at a time: that of their option "fault". They are written
// against the tables alone, because plugin.hpp keeps its users from most of this.
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "kappa/plugin.h"

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

const kappa_host* host = nullptr;

void write(kappa_text out, const std::string& text) {
  if (out.data != nullptr && out.capacity > 0) {
    const std::size_t n = std::min<std::size_t>(text.size(), out.capacity);
    std::memcpy(out.data, text.data(), n);  // no closing 0 where the text is too long
    if (n < out.capacity) {
      out.data[n] = '\0';
    }
  }
}

/// The value of the only option, {"fault":"..."}.
std::string fault_of(const char* options) {
  const std::string text = options;
  const auto colon = text.find(':');
  const auto begin = colon == std::string::npos ? colon : text.find('"', colon);
  return begin == std::string::npos ? "none" : text.substr(begin + 1, text.find('"', begin + 1) - begin - 1);
}

struct Object {
  std::string fault;
  bool is(const char* name) const { return fault == name; }
  void throws(const char* place) const {
    if (fault == std::string("throws-") + place) {
      throw std::runtime_error("thrown by " + std::string(place));
    }
  }
};

/// What is never freed stays reachable, as it would in a cache.
std::vector<void*>& leaked() {
  static auto* const out = new std::vector<void*>;
  return *out;
}

template <class T>
kappa_status create(const kappa_host*, const char* options, void** self, kappa_text error) {
  const std::string fault = fault_of(options);
  if (fault == "refuses") {
    write(error, "it has no mind to");
    return KAPPA_ERROR;
  }
  if (fault == "refuses-at-length") {
    write(error, std::string(1 << 20, 'x'));
    return KAPPA_ERROR;
  }
  if (fault == "odd-status") {
    return 12345;
  }
  auto* const out = new T;
  out->fault = fault;
  *self = out;
  if (fault == "throws-create") {
    delete out;
    *self = nullptr;
    throw std::runtime_error("thrown by create");
  }
  return KAPPA_OK;
}

template <class T>
void destroy(void* self) {
  auto* const object = static_cast<T*>(self);
  if (object->is("leaks")) {
    leaked().push_back(self);
    return;
  }
  const bool throws = object->is("throws-destroy");
  delete object;
  if (throws) {
    throw std::runtime_error("thrown by destroy");
  }
}

// ---- curvature: the Gauss-Newton or exact model, spoilt ----

struct Curvature : Object {
  kappa_operator table{};
  kappa_point now{};
  std::size_t n = 0;
  int refreshes = 0;
  std::atomic<bool> stop{false};
  std::atomic<int> foreign_answers{0};
  std::atomic<int> foreign_wrong{0};
  std::thread thread;

  ~Curvature() {
    stop = true;
    if (thread.joinable()) {
      thread.join();
    }
  }

  std::uint32_t model() const {
    return (now.models & 1U << KAPPA_MODEL_GAUSS_NEWTON) != 0 ? KAPPA_MODEL_GAUSS_NEWTON : KAPPA_MODEL_EXACT;
  }

  void multiply(const double* v, double* out) const {
    throws("multiply");
    if (is("nan") || (is("nan-later") && refreshes > 2)) {
      std::fill(out, out + n, not_a_number);
      return;
    }
    if (is("writes-nothing")) {
      return;
    }
    if (now.product(now.self, model(), v, out) != KAPPA_OK) {
      std::fill(out, out + n, not_a_number);
      return;
    }
    for (std::size_t i = 0; i < n; ++i) {
      out[i] *= is("huge") || (is("huge-later") && refreshes > 2) ? 1e30
                : is("rather-huge")                               ? 1e12
                : is("tiny")                                      ? 1e-30
                : is("zero")                                      ? 0.0
                : is("negative") || is("negative-claim")          ? -1.0
                                                                  : 1.0;
    }
    for (std::size_t i = 0; i < n; ++i) {
      if (is("half-huge") && i % 2 == 0) {
        out[i] += 1e30 * v[i];
      }
      if (is("infinite-entry") && i == 0) {
        out[i] += std::numeric_limits<double>::infinity() * v[i];
      }
      if (is("max")) {
        out[i] = 1e308 * v[i];
      }
    }
    if (n > 1 && (is("asymmetric") || (is("asymmetric-later") && refreshes > 2))) {
      out[0] += 3 * out[1] + v[1];
    }
  }

  kappa_status dense(double* out, std::int64_t stride) const {
    throws("dense");
    if (is("dense-fails")) {
      return KAPPA_FAILED;
    }
    std::vector<double> unit(n, 0.0);
    for (std::size_t j = 0; j < n; ++j) {
      unit[j] = 1;
      multiply(unit.data(), out + j * static_cast<std::size_t>(stride));
      unit[j] = 0;
      for (std::size_t i = 0; i < n; ++i) {
        double& entry = out[i + j * static_cast<std::size_t>(stride)];
        entry = is("dense-nan")    ? not_a_number
                : is("dense-huge") ? 1e30 * entry
                : is("dense-zero") ? 0
                                   : entry;
      }
    }
    return KAPPA_OK;
  }

  kappa_status diagonal(double* out) const {
    throws("diagonal");
    std::vector<double> unit(n, 0.0);
    std::vector<double> column(n, 0.0);
    for (std::size_t j = 0; j < n; ++j) {
      unit[j] = 1;
      multiply(unit.data(), column.data());
      unit[j] = 0;
      out[j] = is("diagonal-nan")    ? not_a_number
               : is("diagonal-huge") ? 1e30
               : is("diagonal-zero") ? 0
                                     : column[j];
    }
    return KAPPA_OK;
  }

  kappa_status blocks(kappa_blocks* out) const {
    throws("blocks");
    const kappa_status status = now.blocks != nullptr ? now.blocks(now.self, model(), out) : KAPPA_ABSENT;
    if (status != KAPPA_OK) {
      return status;
    }
    static double zeros[1 << 16];
    static std::int64_t wrong[1 << 12];
    out->values = zeros;  // so that it is no longer the point's own matrix
    if (is("blocks-null")) {
      out->values = nullptr;
    } else if (is("blocks-none")) {
      out->blocks = 0;
    } else if (is("blocks-negative")) {
      out->blocks = -3;
    } else if (is("blocks-start")) {
      std::fill(wrong, wrong + (1 << 12), -1);
      out->row_start = wrong;
    } else if (is("blocks-values")) {
      std::fill(wrong, wrong + (1 << 12), 1);
      out->value_start = wrong;
    }
    return KAPPA_OK;
  }

  kappa_status root(kappa_root* out) const {
    throws("root");
    static const double entries[4096] = {};
    if (is("root-zero")) {
      out->A = entries;
      out->rows = out->stride = 2;
      out->c = nullptr;
      return KAPPA_OK;
    }
    out->A = is("root-null") ? nullptr : entries;
    out->rows = is("root-negative") ? -1 : 5;
    out->stride = is("root-stride") ? 1 : 5;
    return KAPPA_OK;
  }

  /// Asks the point from a thread of its own, which must be refused.
  void ask_from_elsewhere(const kappa_point* point) {
    const kappa_point copy = *point;
    std::vector<double> v(n, 1.0);
    std::vector<double> out(n, 0.0);
    std::thread([&] {
      ++foreign_answers;
      foreign_wrong +=
          copy.product(copy.self, model(), v.data(), out.data()) != KAPPA_BROKEN_CONTRACT ? 1 : 0;
      foreign_wrong += copy.query(copy.self, "anything") != nullptr ? 1 : 0;
    }).join();
  }

  /// And one that goes on asking while refresh has long ended.
  void keep_asking(const kappa_point* point) {
    const kappa_point copy = *point;
    thread = std::thread([this, copy] {
      std::vector<double> v(n, 1.0);
      std::vector<double> out(n, 0.0);
      while (!stop) {
        ++foreign_answers;
        foreign_wrong +=
            copy.product(copy.self, KAPPA_MODEL_GAUSS_NEWTON, v.data(), out.data()) != KAPPA_BROKEN_CONTRACT
                ? 1
                : 0;
        std::this_thread::sleep_for(std::chrono::microseconds(50));
      }
    });
    while (foreign_answers == 0) {
      std::this_thread::yield();
    }
  }

  kappa_status run_parallel() const {
    const auto body = [](void* data, std::int64_t chunk) -> kappa_status {
      const auto* const object = static_cast<const Curvature*>(data);
      if (chunk >= 3 && object->is("parallel-throws")) {
        throw std::runtime_error("thrown by a body");
      }
      return chunk == 3 ? KAPPA_FAILED : chunk > 3 ? KAPPA_OUT_OF_MEMORY : KAPPA_OK;
    };
    return host->parallel_for(host, 64, 1e9, body, const_cast<Curvature*>(this));
  }
};

Curvature& curvature(void* self) {
  return *static_cast<Curvature*>(self);
}

kappa_status curvature_needs(void* self, kappa_curvature_needs* out) {
  curvature(self).throws("needs");
  out->models = curvature(self).is("unknown-model") ? 1U << 30
                : curvature(self).is("exact-model") ? 1U << KAPPA_MODEL_EXACT
                                                    : 1U << KAPPA_MODEL_GAUSS_NEWTON;
  out->flags = curvature(self).fault.rfind("blocks", 0) == 0 ? KAPPA_NEEDS_BLOCKS : 0U;
  return curvature(self).is("needs-fails") ? KAPPA_ERROR : KAPPA_OK;
}

kappa_status refresh(void* self, const kappa_point* now, const kappa_point*, const double*,
                     kappa_text error) {
  Curvature& c = curvature(self);
  c.throws("refresh");
  ++c.refreshes;
  c.now = *now;
  c.n = static_cast<std::size_t>(now->tangent_dimension);
  if (c.refreshes == 3 && c.is("third-refresh")) {
    write(error, "the third one is too much");
    return KAPPA_FAILED;
  }
  if (c.refreshes >= 3 && c.is("later-refreshes")) {
    write(error, "from the third one on it is too much");
    return KAPPA_ERROR;
  }
  const bool layers = now->query != nullptr && now->query(now->self, "kappa.network.layers/1") != nullptr;
  if ((c.is("networks-alone") && !layers) || c.is("fits-nothing") ||
      (c.is("unfit-later") && c.refreshes > 1)) {
    write(error, "needs the layers of a network");
    return KAPPA_UNFIT;
  }
  if (c.is("foreign-thread")) {
    c.ask_from_elsewhere(now);
  }
  if (c.is("foreign-later") && c.refreshes == 1) {
    c.keep_asking(now);
  }
  if (c.is("parallel-fails") || c.is("parallel-throws")) {
    const kappa_status status = c.run_parallel();
    write(error, "parallel_for gave " + std::to_string(status));
    return status;
  }
  if (c.is("chunks-negative")) {
    const kappa_status status = host->parallel_for(host, -1, 1, nullptr, nullptr);
    write(error, "parallel_for gave " + std::to_string(status));
    return status;
  }
  kappa_operator& table = c.table;
  table = {};
  table.struct_size = c.is("operator-size-0")      ? 0
                      : c.is("operator-size-huge") ? std::numeric_limits<std::uint64_t>::max()
                                                   : sizeof table;
  table.self = self;
  table.size = c.is("size-more")       ? now->tangent_dimension + 1
               : c.is("size-less")     ? now->tangent_dimension - 1
               : c.is("size-negative") ? -1
               : c.is("size-huge")     ? std::int64_t{1} << 60
                                       : now->tangent_dimension;
  table.definiteness = c.is("negative") ? KAPPA_DEFINITENESS_UNKNOWN : KAPPA_POSITIVE_SEMIDEFINITE;
  if (c.is("odd-definiteness")) {
    table.definiteness = 42;
  }
  if (!c.is("no-multiply")) {
    table.multiply = [](void* s, const double* v, double* out) -> kappa_status {
      curvature(s).multiply(v, out);
      return curvature(s).is("multiply-fails") ? KAPPA_FAILED : KAPPA_OK;
    };
  }
  if (!c.is("products-only")) {
    table.diagonal = [](void* s, double* out) { return curvature(s).diagonal(out); };
    table.dense = [](void* s, double* out, std::int64_t stride) { return curvature(s).dense(out, stride); };
  }
  if (c.fault.find("blocks") != std::string::npos) {
    table.blocks = [](void* s, kappa_blocks* out) { return curvature(s).blocks(out); };
  }
  if (c.fault.find("root") != std::string::npos) {
    table.root = [](void* s, kappa_root* out) { return curvature(s).root(out); };
  }
  if (c.fault.find("solve") == 0) {
    table.solve_kind = KAPPA_SOLVE_EXACT;
    table.solve_damped = [](void* s, double, const double*, const double* rhs, double* out) -> kappa_status {
      for (std::size_t i = 0; i < curvature(s).n; ++i) {
        out[i] = curvature(s).is("solve-nan") ? not_a_number : 1e-30 * rhs[i];
      }
      return curvature(s).is("solve-fails") ? KAPPA_FAILED : KAPPA_OK;
    };
  }
  return KAPPA_OK;
}

const kappa_operator* at_point(void* self) {
  curvature(self).throws("at_point");
  return curvature(self).is("no-operator") ? nullptr : &curvature(self).table;
}

// ---- step solver: steepest descent with a Cauchy length, spoilt ----

struct Step : Object {
  kappa_subproblem model{};
  int solves = 0;
};
Step& step_of(void* self) {
  return *static_cast<Step*>(self);
}

kappa_status step_solve(void* self, double control, double* step, kappa_step_report* report) {
  Step& s = step_of(self);
  s.throws("solve");
  ++s.solves;
  if (s.is("writes-nothing")) {
    return KAPPA_OK;
  }
  if (s.is("third-solve") && s.solves == 3) {
    return KAPPA_FAILED;
  }
  const auto n = static_cast<std::size_t>(s.model.size);
  std::vector<double> product(n);
  s.model.B->multiply(s.model.B->self, s.model.gradient, product.data());
  double square = 0;
  double curve = 0;
  double metric = 0;
  for (std::size_t i = 0; i < n; ++i) {
    square += s.model.gradient[i] * s.model.gradient[i];
    curve += s.model.gradient[i] * product[i];
    metric += s.model.weights[i] * s.model.gradient[i] * s.model.gradient[i];
  }
  const double t = square / (curve + control * metric) *
                   (s.is("ascends")           ? -1.0
                    : s.is("enormous")        ? 1e200
                    : s.is("minute")          ? 1e-30
                    : s.is("ignores-control") ? 1e6
                                              : 1.0);
  for (std::size_t i = 0; i < n; ++i) {
    step[i] = s.is("nan") ? not_a_number : -t * s.model.gradient[i];
  }
  if (s.is("zero")) {
    std::fill(step, step + n, 0.0);
  }
  const double length = s.is("zero") ? 0.0 : t;
  report->slope = s.is("lies-slope") ? -1e9 : -length * square;
  report->norm = s.is("lies-norm") ? 0.0 : std::fabs(length) * std::sqrt(metric);
  report->predicted_decrease = s.is("lies-none")    ? 0.0
                               : s.is("lies-tiny")  ? 1e-300
                               : s.is("lies-huge")  ? 1e300
                               : s.is("lies-minus") ? -1.0
                                                    : length * square - 0.5 * length * length * curve;
  report->limit = s.is("odd-limit") ? 99 : KAPPA_LIMIT_INTERIOR;
  report->blame = s.is("odd-blame") ? std::int64_t{1} << 60 : -1;
  return s.is("odd-status-solve") ? 777 : KAPPA_OK;
}

// ---- acceptance: takes what lowers the value, spoilt ----

struct Acceptance : Object {
  int judged = 0;
};

double acceptance_start(void* self, const kappa_start*) {
  const auto& a = *static_cast<Acceptance*>(self);
  a.throws("start");
  return a.is("start-nan") ? not_a_number : a.is("start-negative") ? -1.0 : 1e-3;
}

kappa_status acceptance_judge(void* self, const kappa_trial* trial, double control, kappa_verdict* out) {
  auto& a = *static_cast<Acceptance*>(self);
  a.throws("judge");
  ++a.judged;
  const bool better = trial->evaluated != 0 && trial->value < trial->current_value;
  out->decision = better ? KAPPA_ACCEPT : KAPPA_RETRY;
  out->next = better ? control / 3 : control * 4;
  if (a.is("accepts-everything")) {
    out->decision = KAPPA_ACCEPT;
  } else if (a.is("rejects-everything")) {
    out->decision = KAPPA_RETRY;
    out->next = control;
  } else if (a.is("kept-without")) {
    out->decision = KAPPA_ACCEPT_KEPT;
  } else if (a.is("odd-decision")) {
    out->decision = 99;
  } else if (a.is("control-nan")) {
    out->next = not_a_number;
  } else if (a.is("control-negative")) {
    out->next = -1;
  } else if (a.is("says-nothing")) {
    *out = {};
  }
  return a.is("judge-fails") ? KAPPA_ERROR : KAPPA_OK;
}

// ---- linear solver ----

struct Linear : Object {
  std::int64_t size = 0;
};

// ---- loss and problem ----

struct Loss : Object {};

void loss_evaluate(const void* self, double s, double out[3]) {
  const auto& loss = *static_cast<const Loss*>(self);
  loss.throws("evaluate");
  out[0] = loss.is("nan") ? not_a_number : s;
  out[1] = loss.is("negative") ? -1 : 1;
  out[2] = 0;
}

struct Problem : Object {};

std::int64_t problem_dimension(const void* self) {
  const auto& p = *static_cast<const Problem*>(self);
  p.throws("dimension");
  return p.is("no-variables")      ? 0
         : p.is("minus-variables") ? -4
         : p.is("too-many")        ? std::int64_t{1} << 50
                                   : 2;
}

kappa_status problem_initial(const void* self, double* x) {
  const auto& p = *static_cast<const Problem*>(self);
  p.throws("initial");
  x[0] = p.is("start-nan") ? not_a_number : 3;
  x[1] = 4;
  return p.is("initial-fails") ? KAPPA_FAILED : KAPPA_OK;
}

kappa_status problem_evaluate(const void* self, const double* x, double* value, double* gradient,
                              kappa_text) {
  const auto& p = *static_cast<const Problem*>(self);
  p.throws("evaluate");
  if (p.is("evaluate-fails")) {
    return KAPPA_ERROR;
  }
  *value = p.is("value-nan") ? not_a_number : 0.5 * (x[0] * x[0] + 10 * x[1] * x[1]);
  if (gradient != nullptr) {
    gradient[0] = p.is("gradient-nan") ? not_a_number : x[0];
    gradient[1] = p.is("gradient-huge") ? 1e308 : 10 * x[1];
  }
  return KAPPA_OK;
}

kappa_status problem_product(const void* self, const double*, const double* v, double* out) {
  const auto& p = *static_cast<const Problem*>(self);
  p.throws("product");
  const double scale = p.is("product-nan") ? not_a_number : 1;
  out[0] = scale * v[0];
  out[1] = scale * 10 * v[1];
  return p.is("product-fails") ? KAPPA_FAILED : KAPPA_OK;
}

kappa_status problem_bounds(const void* self, double* lower, double* upper) {
  const auto& p = *static_cast<const Problem*>(self);
  p.throws("bounds");
  if (p.is("bounds-crossed")) {
    lower[0] = 5;
    upper[0] = -5;
  } else if (p.is("bounds-nan")) {
    lower[0] = not_a_number;
  }
  return KAPPA_OK;
}

kappa_part part(std::int32_t kind, const char* name, const void* table) {
  kappa_part out{};
  out.struct_size = sizeof out;
  out.kind = kind;
  out.name = name;
  out.summary = "Wrong on purpose.";
  out.source = "-";
  out.options = R"([{"name": "fault", "default": "none", "source": "-", "meaning": "what is wrong"}])";
  out.table = table;
  return out;
}

}  // namespace

extern "C" KAPPA_PLUGIN_EXPORT const kappa_plugin* kappa_plugin_entry(const kappa_host* given, kappa_text) {
  host = given;
  static kappa_curvature curvature_table{};
  curvature_table.struct_size = sizeof curvature_table;
  curvature_table.create = create<Curvature>;
  curvature_table.destroy = destroy<Curvature>;
  curvature_table.needs = curvature_needs;
  curvature_table.start = [](void* self) { curvature(self).throws("start"); };
  curvature_table.refresh = refresh;
  curvature_table.at_point = at_point;
  curvature_table.judged = [](void* self, const kappa_trial*) { curvature(self).throws("judged"); };
  // The number of refused questions, so that a test sees that they were asked: wrong answers count as
  // minus 1.
  curvature_table.products = [](void* self) -> std::int64_t {
    curvature(self).throws("products");
    return curvature(self).foreign_wrong > 0 ? -1 : std::int64_t{curvature(self).foreign_answers};
  };

  static kappa_step_solver step_table{};
  step_table.struct_size = sizeof step_table;
  step_table.control = KAPPA_CONTROL_DAMPING;
  step_table.create = create<Step>;
  step_table.destroy = destroy<Step>;
  step_table.prepare = [](void* self, const kappa_subproblem* model, kappa_text error) -> kappa_status {
    step_of(self).throws("prepare");
    step_of(self).model = *model;
    write(error, "it is not ready");
    return step_of(self).is("prepare-fails") ? KAPPA_FAILED : KAPPA_OK;
  };
  step_table.solve = step_solve;
  step_table.unfit = [](void* self, const kappa_operator*, kappa_text why) -> kappa_status {
    step_of(self).throws("unfit");
    write(why, "it fits nothing");
    return step_of(self).is("unfit") ? KAPPA_UNFIT : KAPPA_OK;
  };
  step_table.resolve = [](void* self, const double*, double*) -> kappa_status {
    step_of(self).throws("resolve");
    return KAPPA_ABSENT;
  };
  step_table.describe = [](void* self, kappa_text out) {
    step_of(self).throws("describe");
    if (step_of(self).is("describes-at-length")) {
      write(out, std::string(1 << 20, 'y'));
    }
  };
  step_table.factorizations = [](void* self) -> std::int64_t {
    step_of(self).throws("factorizations");
    return -7;
  };

  static kappa_acceptance acceptance_table{};
  acceptance_table.struct_size = sizeof acceptance_table;
  acceptance_table.control = KAPPA_CONTROL_DAMPING;
  acceptance_table.needs = KAPPA_TRIAL_VALUE;
  acceptance_table.create = create<Acceptance>;
  acceptance_table.destroy = destroy<Acceptance>;
  acceptance_table.start = acceptance_start;
  acceptance_table.judge = acceptance_judge;

  static kappa_linear_solver linear_table{};
  linear_table.struct_size = sizeof linear_table;
  linear_table.create = create<Linear>;
  linear_table.destroy = destroy<Linear>;
  linear_table.analyze = [](void* self, const kappa_blocks* structure, kappa_text error) -> kappa_status {
    auto& linear = *static_cast<Linear*>(self);
    linear.throws("analyze");
    linear.size = structure->offset[structure->blocks];
    write(error, "it cannot see a structure");
    return linear.is("analyze-fails") ? KAPPA_FAILED : KAPPA_OK;
  };
  linear_table.factor = [](void* self, const double*, double, const double*,
                           std::int64_t* blame) -> kappa_status {
    const auto& linear = *static_cast<Linear*>(self);
    linear.throws("factor");
    *blame = std::int64_t{1} << 60;
    return linear.is("factor-fails") ? KAPPA_FAILED : linear.is("indefinite") ? KAPPA_INDEFINITE : KAPPA_OK;
  };
  linear_table.solve = [](void* self, double* x) -> kappa_status {
    const auto& linear = *static_cast<Linear*>(self);
    linear.throws("solve");
    for (std::int64_t i = 0; i < linear.size; ++i) {
      x[i] *= linear.is("tiny") ? 1e-40 : linear.is("huge") ? 1e200 : linear.is("nan") ? not_a_number : 1e-9;
    }
    return linear.is("solve-fails") ? KAPPA_FAILED : KAPPA_OK;
  };

  static kappa_loss loss_table{};
  loss_table.struct_size = sizeof loss_table;
  loss_table.create = create<Loss>;
  loss_table.destroy = destroy<Loss>;
  loss_table.evaluate = loss_evaluate;

  static kappa_problem problem_table{};
  problem_table.struct_size = sizeof problem_table;
  problem_table.create = create<Problem>;
  problem_table.destroy = destroy<Problem>;
  problem_table.dimension = problem_dimension;
  problem_table.initial = problem_initial;
  problem_table.evaluate = problem_evaluate;
  problem_table.product = problem_product;
  problem_table.bounds = problem_bounds;

  static const kappa_part parts[] = {part(KAPPA_PART_CURVATURE, "hostile", &curvature_table),
                                     part(KAPPA_PART_STEP_SOLVER, "hostile-step", &step_table),
                                     part(KAPPA_PART_ACCEPTANCE, "hostile-acceptance", &acceptance_table),
                                     part(KAPPA_PART_LINEAR_SOLVER, "hostile-linear", &linear_table),
                                     part(KAPPA_PART_LOSS, "hostile-loss", &loss_table),
                                     part(KAPPA_PART_PROBLEM, "hostile-problem", &problem_table)};
  static const kappa_part* const list[] = {&parts[0], &parts[1], &parts[2], &parts[3], &parts[4], &parts[5]};
  static kappa_plugin plugin{};
  plugin.struct_size = sizeof plugin;
  plugin.abi = KAPPA_PLUGIN_ABI;
  plugin.name = "hostile";
  plugin.version = "6.6.6";
  plugin.parts = 6;
  plugin.part = list;
  return &plugin;
}
