// Plugins in C++: a class with what the part does, and one line. Nothing but this header and plugin.h.
//
//   #include <kappa/plugin.hpp>
//
//   struct Scaled {                                                   // B = s I, s learned from the step
//     static constexpr kappa::plugin::Option options[] = {{"first", 1.0, "arbitrary", "scale at the start"}};
//     explicit Scaled(const kappa::plugin::Options& given) : scale_(given.number("first")) {}
//
//     kappa::plugin::Needs needs() const { return {.previous = true}; }
//     void refresh(const kappa::plugin::Point& now, const kappa::plugin::Point* before,
//                  kappa::plugin::Vector step);
//     void multiply(kappa::plugin::Vector v, kappa::plugin::Output out) const;
//    private:
//     double scale_;
//   };
//
//   KAPPA_PLUGIN("scaled", "1.0", kappa::plugin::curvature<Scaled>("scaled", "One sentence.", "Paper, eq."))
//
// A member function that the class has is offered; one that it has not is absent (NULL in the table). What
// each may be called, those that must be there first:
//
// - curvature: needs, refresh, multiply; start, diagonal, dense, blocks, root, solve_damped, definiteness,
//   solve_kind, judged, products, save with load
// - step solver: static constexpr Control control, prepare, solve; start, unfit, resolve, describe,
//   factorizations
// - linear solver: analyze, factor, solve; describe
// - acceptance: static constexpr Control control, start, judge; static constexpr TrialNeeds needs
// - loss: evaluate
// - problem: dimension, initial, evaluate; product, bounds
//
// An exception ends the solve with its sentence and the best point so far; kappa::plugin::Failure says which
// status is meant, such as one that only shortens the step.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstring>
#include <exception>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "kappa/plugin.h"

namespace kappa::plugin {

using Vector = std::span<const double>;
using Output = std::span<double>;

enum class Model : std::uint32_t {
  exact = KAPPA_MODEL_EXACT,
  gauss_newton = KAPPA_MODEL_GAUSS_NEWTON,
  fisher = KAPPA_MODEL_FISHER,
  sampled_fisher = KAPPA_MODEL_SAMPLED_FISHER,
  empirical_fisher = KAPPA_MODEL_EMPIRICAL_FISHER,
  squared_mean_gradient = KAPPA_MODEL_SQUARED_MEAN_GRADIENT
};
enum class Control : std::int32_t { radius, damping, cubic_weight, step_length };
enum class Definiteness : std::int32_t { unknown, positive_semidefinite };
enum class SolveKind : std::int32_t { absent, exact, approximate };
enum class TrialNeeds : std::int32_t { value, value_and_gradient, nothing };

/// Thrown where something cannot be done: `status` is one of KAPPA_OUTSIDE_DOMAIN, KAPPA_INDEFINITE,
/// KAPPA_FAILED, KAPPA_ERROR, ... (plugin.h).
struct Failure : std::exception {
  kappa_status status;
  std::string sentence;
  Failure(kappa_status what_status, std::string why) : status(what_status), sentence(std::move(why)) {}
  const char* what() const noexcept override { return sentence.c_str(); }
};

// ---- options ----

/// A name, the default, whose type is the option's, where the default comes from, and what it means.
struct Option {
  const char* name;
  std::variant<double, std::int64_t, bool, const char*> value;
  const char* source;
  const char* meaning;

  constexpr Option(const char* n, double v, const char* s, const char* m)
      : name(n), value(v), source(s), meaning(m) {}
  constexpr Option(const char* n, int v, const char* s, const char* m)
      : name(n), value(std::int64_t{v}), source(s), meaning(m) {}
  constexpr Option(const char* n, bool v, const char* s, const char* m)
      : name(n), value(v), source(s), meaning(m) {}
  constexpr Option(const char* n, const char* v, const char* s, const char* m)
      : name(n), value(v), source(s), meaning(m) {}
};

/// The values of all options of a part: the defaults, and what the user gave.
class Options {
 public:
  /// `text` is the host's JSON object; every name in it is one of `known`.
  Options(std::span<const Option> known, std::string_view text);

  double number(std::string_view name) const {
    const Value& v = find(name);
    if (const auto* i = std::get_if<std::int64_t>(&v)) {
      return static_cast<double>(*i);
    }
    return std::get<double>(v);
  }
  std::int64_t integer(std::string_view name) const { return std::get<std::int64_t>(find(name)); }
  bool flag(std::string_view name) const { return std::get<bool>(find(name)); }
  const std::string& text(std::string_view name) const { return std::get<std::string>(find(name)); }

 private:
  using Value = std::variant<double, std::int64_t, bool, std::string>;
  const Value& find(std::string_view name) const {
    for (const auto& [key, value] : values_) {
      if (key == name) {
        return value;
      }
    }
    throw Failure(KAPPA_WRONG_OPTION,
                  "the plugin asks for an option '" + std::string(name) + "' that it does not list");
  }
  std::vector<std::pair<std::string, Value>> values_;
};

// ---- what the host shows ----

namespace detail {

inline std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\n\r");
  return first == std::string_view::npos ? std::string_view() : text.substr(first);
}

/// A table entry, or null where the table ends before it.
template <class Table, class Entry>
Entry entry(const Table* table, Entry Table::*member) {
  const auto begin = reinterpret_cast<const char*>(table);
  const auto end = reinterpret_cast<const char*>(&(table->*member) + 1);
  return static_cast<std::uint64_t>(end - begin) <= table->struct_size ? table->*member : Entry{};
}

/// True where the host has it, false where it is absent; throws where the call failed.
inline bool answered(kappa_status status, const char* what) {
  if (status == KAPPA_OK) {
    return true;
  }
  if (status == KAPPA_ABSENT) {
    return false;
  }
  throw Failure(status, std::string("the host could not give ") + what);
}

}  // namespace detail

/// The problem at a point. Functions that return bool answer false where the problem has no such thing.
class Point {
 public:
  explicit Point(const kappa_point& table) : table_(&table) {}

  std::size_t size() const { return static_cast<std::size_t>(table_->tangent_dimension); }
  std::size_t residuals() const { return static_cast<std::size_t>(table_->residuals); }
  double value() const { return table_->value; }
  Vector x() const { return {table_->x, static_cast<std::size_t>(table_->dimension)}; }
  Vector gradient() const { return {table_->gradient, size()}; }
  std::uint64_t sample() const { return table_->sample; }
  bool has(Model m) const { return (table_->models >> static_cast<std::uint32_t>(m) & 1U) != 0; }

  void product(Model m, Vector v, Output out) const {
    const kappa_status status = table_->product(table_->self, number(m), v.data(), out.data());
    if (status != KAPPA_OK) {
      throw Failure(status, "the host could not give a product");
    }
  }
  bool diagonal(Model m, Output out) const {
    const auto f = detail::entry(table_, &kappa_point::diagonal);
    return f != nullptr && detail::answered(f(table_->self, number(m), out.data()), "a diagonal");
  }
  /// out: size() x size(), column-major.
  bool dense(Model m, Output out) const {
    const auto f = detail::entry(table_, &kappa_point::dense);
    return f != nullptr && detail::answered(f(table_->self, number(m), out.data(), table_->tangent_dimension),
                                            "a dense matrix");
  }
  bool blocks(Model m, kappa_blocks& out) const {
    const auto f = detail::entry(table_, &kappa_point::blocks);
    out.struct_size = sizeof out;
    return f != nullptr && detail::answered(f(table_->self, number(m), &out), "a block matrix");
  }
  bool jacobian_product(Vector v, Output out) const {
    const auto f = detail::entry(table_, &kappa_point::jacobian_product);
    return f != nullptr && detail::answered(f(table_->self, v.data(), out.data()), "a Jacobian product");
  }
  bool jacobian_transpose_product(Vector w, Output out) const {
    const auto f = detail::entry(table_, &kappa_point::jacobian_transpose_product);
    return f != nullptr && detail::answered(f(table_->self, w.data(), out.data()), "a Jacobian product");
  }
  bool residual_vector(Output out) const {
    const auto f = detail::entry(table_, &kappa_point::residual_vector);
    return f != nullptr && detail::answered(f(table_->self, out.data()), "the residuals");
  }
  /// Rows [first, first + count) of J in out, count x size(), column-major.
  bool jacobian_rows(std::size_t first, std::size_t count, Output out) const {
    const auto f = detail::entry(table_, &kappa_point::jacobian_rows);
    return f != nullptr && detail::answered(f(table_->self, static_cast<std::int64_t>(first),
                                              static_cast<std::int64_t>(count), out.data()),
                                            "Jacobian rows");
  }
  /// Gradients of terms [first, first + count), one in each column of out.
  bool term_gradients(std::size_t first, std::size_t count, Output out) const {
    const auto f = detail::entry(table_, &kappa_point::term_gradients);
    return f != nullptr && detail::answered(f(table_->self, static_cast<std::int64_t>(first),
                                              static_cast<std::int64_t>(count), out.data()),
                                            "gradients of terms");
  }
  /// out = J'u with u the residuals at `other`.
  bool cross_gradient(const Point& other, Output out) const {
    const auto f = detail::entry(table_, &kappa_point::cross_gradient);
    return f != nullptr && detail::answered(f(table_->self, other.table_, out.data()), "a cross gradient");
  }
  bool second_directional(Vector v, Output out) const {
    const auto f = detail::entry(table_, &kappa_point::second_directional);
    return f != nullptr &&
           detail::answered(f(table_->self, v.data(), out.data()), "a second directional derivative");
  }
  bool recursive_diagonal(bool gauss_newton, Output out) const {
    const auto f = detail::entry(table_, &kappa_point::recursive_diagonal);
    return f != nullptr &&
           detail::answered(f(table_->self, gauss_newton ? 1 : 0, out.data()), "a recursive diagonal");
  }
  bool sampled_gradient(std::uint64_t draw, Output out) const {
    const auto f = detail::entry(table_, &kappa_point::sampled_gradient);
    return f != nullptr && detail::answered(f(table_->self, draw, out.data()), "a sampled gradient");
  }
  /// The extension of that name and version, or null.
  template <class Extension>
  const Extension* query(const char* name) const {
    const auto f = detail::entry(table_, &kappa_point::query);
    return f == nullptr ? nullptr : static_cast<const Extension*>(f(table_->self, name));
  }

  const kappa_point& table() const { return *table_; }

 private:
  static std::uint32_t number(Model m) { return static_cast<std::uint32_t>(m); }
  const kappa_point* table_;
};

/// What a curvature needs of the problem.
struct Needs {
  std::uint32_t models = 0;  ///< models(...)
  bool previous = false;     ///< the last accepted point and the step from it
  bool blocks = false;
};

template <class... M>
constexpr std::uint32_t models(M... m) {
  return ((1U << static_cast<std::uint32_t>(m)) | ... | 0U);
}

/// The host's services: valid in constructors of parts and after.
class Host {
 public:
  static const kappa_host*& table() {
    static const kappa_host* host = nullptr;
    return host;
  }
  static void note(const std::string& text) { table()->log(table(), KAPPA_LOG_NOTE, text.c_str()); }
  static void warn(const std::string& text) { table()->log(table(), KAPPA_LOG_WARNING, text.c_str()); }
  /// body(chunk) for every chunk, on several threads where `work` multiply-adds are worth it.
  template <class Body>
  static void parallel_for(std::int64_t chunks, double work, const Body& body) {
    const auto call = [](void* data, std::int64_t chunk) -> kappa_status {
      try {
        (*static_cast<const Body*>(data))(chunk);
        return KAPPA_OK;
      } catch (...) {
        return KAPPA_ERROR;
      }
    };
    const kappa_status status = table()->parallel_for(table(), chunks, work, call,
                                                      const_cast<void*>(static_cast<const void*>(&body)));
    if (status != KAPPA_OK) {
      throw Failure(status, "a chunk of a parallel loop failed");
    }
  }
};

// ---- from a class to a table ----

namespace detail {

inline void write(kappa_text out, std::string_view text) {
  if (out.data != nullptr && out.capacity > 0) {
    const std::size_t n = std::min(text.size(), static_cast<std::size_t>(out.capacity - 1));
    std::memcpy(out.data, text.data(), n);
    out.data[n] = '\0';
  }
}

/// Runs f, whose result is nothing or a status; exceptions become statuses.
template <class F>
kappa_status guarded(kappa_text error, const F& f) noexcept {
  try {
    if constexpr (std::is_void_v<decltype(f())>) {
      f();
      return KAPPA_OK;
    } else {
      return f();
    }
  } catch (const Failure& failure) {
    write(error, failure.what());
    return failure.status;
  } catch (const std::bad_alloc&) {
    write(error, "there is not enough memory");
    return KAPPA_OUT_OF_MEMORY;
  } catch (const std::exception& thrown) {
    write(error, thrown.what());
    return KAPPA_ERROR;
  } catch (...) {
    write(error, "an exception of an unknown type was thrown");
    return KAPPA_ERROR;
  }
}

/// A bool is whether the thing is there.
template <class F>
kappa_status answer(const F& f) noexcept {
  return guarded({}, [&]() -> kappa_status {
    if constexpr (std::is_same_v<decltype(f()), bool>) {
      return f() ? KAPPA_OK : KAPPA_ABSENT;
    } else {
      f();
      return KAPPA_OK;
    }
  });
}

template <class T>
concept HasOptions = requires {
  T::options;
};

template <class T>
std::span<const Option> options_of() {
  if constexpr (HasOptions<T>) {
    return T::options;
  } else {
    return {};
  }
}

std::string options_text(std::span<const Option> options);

/// T is made from the options of Part.
template <class T, class Part = T>
kappa_status create(const kappa_host* host, const char* options, void** self, kappa_text error) {
  return guarded(error, [&] {
    Host::table() = host;
    const Options given(options_of<Part>(), options == nullptr ? "{}" : options);
    if constexpr (std::is_constructible_v<T, const Options&>) {
      *self = new T(given);
    } else {
      *self = new T();
    }
  });
}
template <class T>
void destroy(void* self) {
  delete static_cast<T*>(self);
}

/// A curvature of the author's and the table of its operator.
template <class T>
struct CurvatureObject {
  T part;
  kappa_operator table{};

  explicit CurvatureObject(const Options& given) requires std::is_constructible_v<T, const Options&>
      : part(given) {}
  explicit CurvatureObject(const Options&) requires(!std::is_constructible_v<T, const Options&>) : part() {}
};

template <class T>
CurvatureObject<T>& curvature_of(void* self) {
  return *static_cast<CurvatureObject<T>*>(self);
}
template <class T>
std::size_t size_of(void* self) {
  return static_cast<std::size_t>(curvature_of<T>(self).table.size);
}

template <class T>
void fill_operator(CurvatureObject<T>& object, std::int64_t n) {
  kappa_operator& table = object.table;
  table.struct_size = sizeof table;
  table.self = &object;
  table.size = n;
  if constexpr (requires(const T& t) { t.definiteness(); }) {
    table.definiteness = static_cast<std::int32_t>(object.part.definiteness());
  }
  table.multiply = [](void* self, const double* v, double* out) {
    return answer([&] {
      curvature_of<T>(self).part.multiply({v, size_of<T>(self)}, {out, size_of<T>(self)});
    });
  };
  if constexpr (requires(const T& t, Output out) { t.diagonal(out); }) {
    table.diagonal = [](void* self, double* out) {
      return answer([&] { return curvature_of<T>(self).part.diagonal({out, size_of<T>(self)}); });
    };
  }
  if constexpr (requires(const T& t, double* out, std::size_t stride) { t.dense(out, stride); }) {
    table.dense = [](void* self, double* out, std::int64_t stride) {
      return answer([&] { return curvature_of<T>(self).part.dense(out, static_cast<std::size_t>(stride)); });
    };
  }
  if constexpr (requires(const T& t, kappa_blocks& out) { t.blocks(out); }) {
    table.blocks = [](void* self, kappa_blocks* out) {
      return answer([&] { return curvature_of<T>(self).part.blocks(*out); });
    };
  }
  if constexpr (requires(const T& t, kappa_root& out) { t.root(out); }) {
    table.root = [](void* self, kappa_root* out) {
      return answer([&] { return curvature_of<T>(self).part.root(*out); });
    };
  }
  if constexpr (requires(const T& t, Vector v, Output out) { t.solve_damped(1.0, v, v, out); }) {
    table.solve_kind = KAPPA_SOLVE_EXACT;
    if constexpr (requires(const T& t) { t.solve_kind(); }) {
      table.solve_kind = static_cast<std::int32_t>(object.part.solve_kind());
    }
    table.solve_damped = [](void* self, double lambda, const double* weights, const double* rhs,
                            double* out) {
      return answer([&] {
        const std::size_t size = size_of<T>(self);
        return curvature_of<T>(self).part.solve_damped(lambda, Vector(weights, size), Vector(rhs, size),
                                                       Output(out, size));
      });
    };
  }
}

template <class T>
kappa_curvature curvature_table() {
  kappa_curvature out{};
  out.struct_size = sizeof out;
  out.create = create<CurvatureObject<T>, T>;
  out.destroy = destroy<CurvatureObject<T>>;
  out.needs = [](void* self, kappa_curvature_needs* to) {
    return answer([&] {
      const Needs needs = curvature_of<T>(self).part.needs();
      to->models = needs.models;
      to->flags = (needs.previous ? KAPPA_NEEDS_PREVIOUS : 0U) | (needs.blocks ? KAPPA_NEEDS_BLOCKS : 0U);
    });
  };
  if constexpr (requires(T & t) { t.start(); }) {
    out.start = [](void* self) { answer([&] { curvature_of<T>(self).part.start(); }); };
  }
  out.refresh = [](void* self, const kappa_point* now, const kappa_point* previous, const double* step,
                   kappa_text error) {
    return guarded(error, [&] {
      const Point current(*now);
      const Point last(previous != nullptr ? *previous : *now);
      const Vector way(step, step != nullptr ? current.size() : 0);
      CurvatureObject<T>& object = curvature_of<T>(self);
      object.table = {};
      object.part.refresh(current, previous != nullptr ? &last : nullptr, way);
      fill_operator(object, now->tangent_dimension);
    });
  };
  out.at_point = [](void* self) -> const kappa_operator* { return &curvature_of<T>(self).table; };
  if constexpr (requires(T & t, const kappa_trial& trial) { t.judged(trial); }) {
    out.judged = [](void* self, const kappa_trial* trial) {
      answer([&] { curvature_of<T>(self).part.judged(*trial); });
    };
  }
  if constexpr (requires(T & t, std::string_view bytes) {
                  std::string(t.save());
                  t.load(bytes);
                }) {
    out.save = [](void* self, void* to, std::uint64_t size) -> std::uint64_t {
      std::uint64_t written = 0;
      answer([&] {
        const std::string bytes = curvature_of<T>(self).part.save();
        if (to != nullptr) {
          std::memcpy(to, bytes.data(), std::min<std::uint64_t>(size, bytes.size()));
        }
        written = bytes.size();
      });
      return written;
    };
    out.load = [](void* self, const void* bytes, std::uint64_t size) {
      return guarded({}, [&] {
        curvature_of<T>(self).part.load({static_cast<const char*>(bytes), static_cast<std::size_t>(size)});
      });
    };
  }
  if constexpr (requires(const T& t) { t.products(); }) {
    out.products = [](void* self) -> std::int64_t { return curvature_of<T>(self).part.products(); };
  }
  return out;
}

template <class T>
kappa_step_solver step_table() {
  kappa_step_solver out{};
  out.struct_size = sizeof out;
  out.control = static_cast<std::int32_t>(T::control);
  if constexpr (requires { T::blocks; }) {
    out.flags = T::blocks ? KAPPA_NEEDS_BLOCKS : 0U;
  }
  out.create = create<T>;
  out.destroy = destroy<T>;
  if constexpr (requires(T & t) { t.start(); }) {
    out.start = [](void* self) { answer([&] { static_cast<T*>(self)->start(); }); };
  }
  if constexpr (requires(T & t, const kappa_operator& B) { t.unfit(B); }) {
    out.unfit = [](void* self, const kappa_operator* B, kappa_text why) {
      return guarded(why, [&]() -> kappa_status {
        const std::string sentence = static_cast<T*>(self)->unfit(*B);
        write(why, sentence);
        return sentence.empty() ? KAPPA_OK : KAPPA_UNFIT;
      });
    };
  }
  out.prepare = [](void* self, const kappa_subproblem* model, kappa_text error) {
    return guarded(error, [&] { return static_cast<T*>(self)->prepare(*model); });
  };
  out.solve = [](void* self, double control, double* step, kappa_step_report* report) {
    return guarded({}, [&] { return static_cast<T*>(self)->solve(control, step, *report); });
  };
  if constexpr (requires(T & t, const double* rhs, double* to) { t.resolve(rhs, to); }) {
    out.resolve = [](void* self, const double* rhs, double* to) {
      return answer([&] { return static_cast<T*>(self)->resolve(rhs, to); });
    };
  }
  if constexpr (requires(T & t) { std::string(t.describe()); }) {
    out.describe = [](void* self, kappa_text to) {
      guarded(to, [&] { write(to, std::string(static_cast<T*>(self)->describe())); });
    };
  }
  if constexpr (requires(const T& t) { t.factorizations(); }) {
    out.factorizations = [](void* self) -> std::int64_t { return static_cast<T*>(self)->factorizations(); };
  }
  return out;
}

template <class T>
kappa_linear_solver linear_table() {
  kappa_linear_solver out{};
  out.struct_size = sizeof out;
  out.create = create<T>;
  out.destroy = destroy<T>;
  out.analyze = [](void* self, const kappa_blocks* structure, kappa_text error) {
    return guarded(error, [&] { return static_cast<T*>(self)->analyze(*structure); });
  };
  out.factor = [](void* self, const double* values, double lambda, const double* weights,
                  std::int64_t* blame) {
    return guarded({}, [&] { return static_cast<T*>(self)->factor(values, lambda, weights, *blame); });
  };
  out.solve = [](void* self, double* x) {
    return guarded({}, [&] { return static_cast<T*>(self)->solve(x); });
  };
  if constexpr (requires(T & t) { std::string(t.describe()); }) {
    out.describe = [](void* self, kappa_text to) {
      guarded(to, [&] { write(to, std::string(static_cast<T*>(self)->describe())); });
    };
  }
  return out;
}

template <class T>
kappa_acceptance acceptance_table() {
  kappa_acceptance out{};
  out.struct_size = sizeof out;
  out.control = static_cast<std::int32_t>(T::control);
  if constexpr (requires { T::needs; }) {
    out.needs = static_cast<std::int32_t>(T::needs);
  }
  out.create = create<T>;
  out.destroy = destroy<T>;
  out.start = [](void* self, const kappa_start* info) { return static_cast<T*>(self)->start(*info); };
  out.judge = [](void* self, const kappa_trial* trial, double control, kappa_verdict* verdict) {
    return guarded({}, [&] { return static_cast<T*>(self)->judge(*trial, control, *verdict); });
  };
  return out;
}

template <class T>
kappa_loss loss_table() {
  kappa_loss out{};
  out.struct_size = sizeof out;
  out.create = create<T>;
  out.destroy = destroy<T>;
  out.evaluate = [](const void* self, double s, double to[3]) {
    static_cast<const T*>(self)->evaluate(s, to);
  };
  return out;
}

template <class T>
kappa_problem problem_table() {
  kappa_problem out{};
  out.struct_size = sizeof out;
  out.create = create<T>;
  out.destroy = destroy<T>;
  out.dimension = [](const void* self) -> std::int64_t { return static_cast<const T*>(self)->dimension(); };
  out.initial = [](const void* self, double* x) {
    return guarded({}, [&] { return static_cast<const T*>(self)->initial(x); });
  };
  out.evaluate = [](const void* self, const double* x, double* value, double* gradient, kappa_text fault) {
    return guarded(fault, [&] { return static_cast<const T*>(self)->evaluate(x, *value, gradient); });
  };
  if constexpr (requires(const T& t, const double* in, double* to) { t.product(in, in, to); }) {
    out.product = [](const void* self, const double* x, const double* v, double* to) {
      return guarded({}, [&] { return static_cast<const T*>(self)->product(x, v, to); });
    };
  }
  if constexpr (requires(const T& t, double* bound) { t.bounds(bound, bound); }) {
    out.bounds = [](const void* self, double* lower, double* upper) {
      return guarded({}, [&] { return static_cast<const T*>(self)->bounds(lower, upper); });
    };
  }
  return out;
}

template <class Table>
kappa_part part(std::int32_t kind, const Table* table, const char* name, const char* summary,
                const char* source, const char* options) {
  kappa_part out{};
  out.struct_size = sizeof out;
  out.kind = kind;
  out.name = name;
  out.summary = summary;
  out.source = source;
  out.options = options;
  out.table = table;
  return out;
}

template <class T>
const char* option_list() {
  static const std::string text = options_text(options_of<T>());
  return text.c_str();
}

/// A flat JSON object: names with numbers, texts, true and false.
class OptionReader {
 public:
  explicit OptionReader(std::string_view text) : text_(text) {}

  bool take(char c) {
    text_ = trimmed(text_);
    if (text_.empty() || text_.front() != c) {
      return false;
    }
    text_.remove_prefix(1);
    return true;
  }
  std::string string() {
    require(take('"'));
    std::string out;
    while (!text_.empty() && text_.front() != '"') {
      if (text_.front() == '\\' && text_.size() > 1) {
        text_.remove_prefix(1);
      }
      out.push_back(text_.front());
      text_.remove_prefix(1);
    }
    require(take('"'));
    return out;
  }
  bool string_next() {
    text_ = trimmed(text_);
    return !text_.empty() && text_.front() == '"';
  }
  std::string_view word() {
    text_ = trimmed(text_);
    const auto end = std::min(text_.find_first_of(" \t\n\r,}"), text_.size());
    const std::string_view out = text_.substr(0, end);
    text_.remove_prefix(end);
    return out;
  }
  static void require(bool holds) {
    if (!holds) {
      throw Failure(KAPPA_WRONG_OPTION, "the options are not a flat JSON object");
    }
  }

 private:
  std::string_view text_;
};

inline std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out.push_back('\\');
    }
    out.push_back(c);
  }
  return out + "\"";
}

inline std::string options_text(std::span<const Option> options) {
  std::string out = "[";
  for (const Option& option : options) {
    out += out.size() > 1 ? ", " : "";
    out += "{\"name\": " + quoted(option.name) + ", \"default\": ";
    if (const auto* number = std::get_if<double>(&option.value)) {
      char buffer[40];
      const auto end = std::to_chars(buffer, buffer + sizeof buffer, *number).ptr;
      std::string text(buffer, end);
      out += text.find_first_of(".e") == std::string::npos ? text + ".0" : text;
    } else if (const auto* integer = std::get_if<std::int64_t>(&option.value)) {
      out += std::to_string(*integer);
    } else if (const auto* flag = std::get_if<bool>(&option.value)) {
      out += *flag ? "true" : "false";
    } else {
      out += quoted(std::get<const char*>(option.value));
    }
    out += ", \"source\": " + quoted(option.source) + ", \"meaning\": " + quoted(option.meaning) + "}";
  }
  return out + "]";
}

}  // namespace detail

inline Options::Options(std::span<const Option> known, std::string_view text) {
  for (const Option& option : known) {
    if (const auto* words = std::get_if<const char*>(&option.value)) {
      values_.emplace_back(option.name, std::string(*words));
    } else if (const auto* number = std::get_if<double>(&option.value)) {
      values_.emplace_back(option.name, *number);
    } else if (const auto* integer = std::get_if<std::int64_t>(&option.value)) {
      values_.emplace_back(option.name, *integer);
    } else {
      values_.emplace_back(option.name, std::get<bool>(option.value));
    }
  }
  detail::OptionReader reader(text);
  reader.require(reader.take('{'));
  while (!reader.take('}')) {
    const std::string name = reader.string();
    reader.require(reader.take(':'));
    const auto at =
        std::find_if(values_.begin(), values_.end(), [&](const auto& v) { return v.first == name; });
    if (at == values_.end()) {
      throw Failure(KAPPA_WRONG_OPTION, "there is no option '" + name + "'");
    }
    if (reader.string_next()) {
      at->second = reader.string();
    } else {
      const std::string_view word = reader.word();
      const char* end = word.data() + word.size();
      if (std::holds_alternative<bool>(at->second)) {
        at->second = word == "true";
      } else if (std::holds_alternative<std::int64_t>(at->second)) {
        std::int64_t integer = 0;
        reader.require(std::from_chars(word.data(), end, integer).ptr == end);
        at->second = integer;
      } else {
        double number = 0;
        reader.require(std::from_chars(word.data(), end, number).ptr == end);
        at->second = number;
      }
    }
    reader.take(',');
  }
}

// ---- parts, for KAPPA_PLUGIN ----

template <class T>
kappa_part curvature(const char* name, const char* summary, const char* source) {
  static const kappa_curvature table = detail::curvature_table<T>();
  return detail::part(KAPPA_PART_CURVATURE, &table, name, summary, source, detail::option_list<T>());
}
template <class T>
kappa_part step_solver(const char* name, const char* summary, const char* source) {
  static const kappa_step_solver table = detail::step_table<T>();
  return detail::part(KAPPA_PART_STEP_SOLVER, &table, name, summary, source, detail::option_list<T>());
}
template <class T>
kappa_part linear_solver(const char* name, const char* summary, const char* source) {
  static const kappa_linear_solver table = detail::linear_table<T>();
  return detail::part(KAPPA_PART_LINEAR_SOLVER, &table, name, summary, source, detail::option_list<T>());
}
template <class T>
kappa_part acceptance(const char* name, const char* summary, const char* source) {
  static const kappa_acceptance table = detail::acceptance_table<T>();
  return detail::part(KAPPA_PART_ACCEPTANCE, &table, name, summary, source, detail::option_list<T>());
}
template <class T>
kappa_part loss(const char* name, const char* summary, const char* source) {
  static const kappa_loss table = detail::loss_table<T>();
  return detail::part(KAPPA_PART_LOSS, &table, name, summary, source, detail::option_list<T>());
}
template <class T>
kappa_part problem(const char* name, const char* summary, const char* source) {
  static const kappa_problem table = detail::problem_table<T>();
  return detail::part(KAPPA_PART_PROBLEM, &table, name, summary, source, detail::option_list<T>());
}

namespace detail {

template <class... Parts>
const kappa_plugin* plugin_table(const kappa_host* host, kappa_text error, const char* name,
                                 const char* version, Parts... parts) {
  if (host->abi < KAPPA_PLUGIN_ABI) {
    write(error, "it was compiled for a newer kappa");
    return nullptr;
  }
  static const kappa_part part[] = {parts...};
  static const kappa_part* pointer[sizeof...(Parts)];
  static kappa_plugin table{};
  for (std::size_t i = 0; i < sizeof...(Parts); ++i) {
    pointer[i] = &part[i];
  }
  table.struct_size = sizeof table;
  table.abi = KAPPA_PLUGIN_ABI;
  table.name = name;
  table.version = version;
  table.parts = static_cast<std::int64_t>(sizeof...(Parts));
  table.part = pointer;
  Host::table() = host;
  return &table;
}

}  // namespace detail

}  // namespace kappa::plugin

/// Once in a plugin: its name and version, and its parts.
#define KAPPA_PLUGIN(name, version, ...)                                                        \
  extern "C" KAPPA_PLUGIN_EXPORT const kappa_plugin* kappa_plugin_entry(const kappa_host* host, \
                                                                        kappa_text error) {     \
    return kappa::plugin::detail::plugin_table(host, error, name, version, __VA_ARGS__);        \
  }
