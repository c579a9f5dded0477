#include "plugin_project.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "kappa/base.h"

namespace kappa::cli {

namespace {

namespace fs = std::filesystem;

const char* const cmake = R"(cmake_minimum_required(VERSION 3.22)
project(@NAME@ LANGUAGES C CXX)

# A plugin needs kappa's headers and nothing else. Without an installed kappa, name a folder that has
# kappa/plugin.h in it: cmake -DKAPPA_INCLUDE=/path/to/kappa/include.
set(KAPPA_INCLUDE "" CACHE PATH "Folder of kappa/plugin.h, where kappa is not installed")
if(KAPPA_INCLUDE)
  set(kappa_headers ${KAPPA_INCLUDE})
else()
  find_package(kappa REQUIRED)
  set(kappa_headers $<TARGET_PROPERTY:kappa::core,INTERFACE_INCLUDE_DIRECTORIES>)
endif()

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()
add_library(@NAME@ MODULE @SOURCE@)
target_include_directories(@NAME@ SYSTEM PRIVATE ${kappa_headers})
target_compile_features(@NAME@ PRIVATE @FEATURE@)
target_compile_options(@NAME@ PRIVATE -Wall -Wextra)
set_target_properties(@NAME@ PROPERTIES PREFIX "" C_VISIBILITY_PRESET hidden CXX_VISIBILITY_PRESET hidden)

# ctest looks at every part of the plugin with the laws of its kind.
enable_testing()
find_program(KAPPA_PROGRAM kappa HINTS ${kappa_DIR}/../../../bin)
if(KAPPA_PROGRAM)
  add_test(NAME check COMMAND ${KAPPA_PROGRAM} plugin check $<TARGET_FILE:@NAME@>)
  add_test(NAME solve COMMAND ${KAPPA_PROGRAM} solve nist:Misra1a --plugin $<TARGET_FILE:@NAME@>
                              --curvature @NAME@ --step damped-cholesky)
endif()
)";

const char* const readme = R"(# @NAME@

A curvature: the Gauss-Newton matrix plus a multiple of the identity, for kappa. The C++ project learns the multiple
from the last step, so that s and B s agree with the change of the gradient; the C one takes it as an option.

    cmake -S . -B build && cmake --build build
    ctest --test-dir build --output-on-failure
    kappa plugin check build/@NAME@.so
    kappa solve nist:Misra1a --plugin build/@NAME@.so --curvature @NAME@ --step damped-cholesky

`@SOURCE@` is all there is. `kappa list @NAME@ --plugin build/@NAME@.so` shows what users see.
)";

const char* const cpp =
    R"(// @NAME@: the Gauss-Newton matrix plus shift * identity. The shift is what the last step taught:
// s'(B s) is to be s'y with y the change of the gradient along the step s, but never below zero.
#include <kappa/plugin.hpp>

#include <algorithm>
#include <numeric>
#include <optional>

namespace plugin = kappa::plugin;
using plugin::Model;

class Curvature {
 public:
  static constexpr plugin::Option options[] = {{"share", 1.0, "arbitrary", "how much of the shift is used, 0 to 1"}};
  explicit Curvature(const plugin::Options& given) : share_(given.number("share")) {
    if (!(share_ >= 0 && share_ <= 1)) {
      throw plugin::Failure(KAPPA_WRONG_OPTION, "share must be from 0 to 1");
    }
  }

  plugin::Needs needs() const { return {.models = plugin::models(Model::gauss_newton), .previous = true}; }

  void start() { shift_ = 0; }

  // `before` is null at the first point; `step` led from it to `now`.
  void refresh(const plugin::Point& now, const plugin::Point* before, plugin::Vector step) {
    now_.emplace(now);
    if (before == nullptr) {
      return;
    }
    product_.resize(now.size());
    now.product(Model::gauss_newton, step, product_);
    double wanted = 0;  // s'(y - G s)
    for (std::size_t i = 0; i < step.size(); ++i) {
      wanted += step[i] * (now.gradient()[i] - before->gradient()[i] - product_[i]);
    }
    const double square = std::inner_product(step.begin(), step.end(), step.begin(), 0.0);
    shift_ = square > 0 ? std::max(0.0, share_ * wanted / square) : 0.0;
  }

  void multiply(plugin::Vector v, plugin::Output out) const {
    now_->product(Model::gauss_newton, v, out);
    for (std::size_t i = 0; i < v.size(); ++i) {
      out[i] += shift_ * v[i];
    }
  }

  // The sum of two positive semidefinite matrices.
  plugin::Definiteness definiteness() const { return plugin::Definiteness::positive_semidefinite; }

 private:
  double share_;
  double shift_ = 0;
  std::optional<plugin::Point> now_;
  std::vector<double> product_;
};

KAPPA_PLUGIN("@NAME@", "1.0", plugin::curvature<Curvature>("@NAME@", "Gauss-Newton plus a learned shift.", "-"))
)";

const char* const c = R"(/* @NAME@: the Gauss-Newton matrix plus shift * identity, the shift an option. */
#include <kappa/plugin.h>

#include <stdlib.h>
#include <string.h>

typedef struct curvature {
  double shift;
  const kappa_point *now;
  kappa_operator operator_table;
} curvature;

/* `options` is a JSON object with the options that were given: {"shift": 0.5}. */
static kappa_status create(const kappa_host *host, const char *options, void **self, kappa_text error) {
  const char *shift = strstr(options, "\"shift\":");
  curvature *out = calloc(1, sizeof *out);
  (void)host, (void)error;
  if (out == NULL) {
    return KAPPA_OUT_OF_MEMORY;
  }
  out->shift = shift != NULL ? strtod(shift + strlen("\"shift\":"), NULL) : 0.0;
  *self = out;
  return KAPPA_OK;
}

static void destroy(void *self) { free(self); }

static kappa_status needs(void *self, kappa_curvature_needs *out) {
  (void)self;
  out->models = 1u << KAPPA_MODEL_GAUSS_NEWTON;
  return KAPPA_OK;
}

static kappa_status multiply(void *self, const double *v, double *out) {
  const curvature *c = self;
  const kappa_status status = c->now->product(c->now->self, KAPPA_MODEL_GAUSS_NEWTON, v, out);
  for (int64_t i = 0; i < c->now->tangent_dimension; ++i) {
    out[i] += c->shift * v[i];
  }
  return status;
}

/* The point stays until the next refresh. */
static kappa_status refresh(void *self, const kappa_point *now, const kappa_point *previous, const double *step,
                            kappa_text error) {
  curvature *c = self;
  (void)previous, (void)step, (void)error;
  c->now = now;
  c->operator_table.struct_size = sizeof c->operator_table;
  c->operator_table.self = c;
  c->operator_table.size = now->tangent_dimension;
  c->operator_table.definiteness = c->shift >= 0 ? KAPPA_POSITIVE_SEMIDEFINITE : KAPPA_DEFINITENESS_UNKNOWN;
  c->operator_table.multiply = multiply;
  return KAPPA_OK;
}

static const kappa_operator *at_point(void *self) { return &((curvature *)self)->operator_table; }

static const kappa_curvature table = {.struct_size = sizeof table, .create = create, .destroy = destroy,
                                      .needs = needs, .refresh = refresh, .at_point = at_point};
static const kappa_part part = {
    .struct_size = sizeof part, .kind = KAPPA_PART_CURVATURE, .name = "@NAME@",
    .summary = "Gauss-Newton plus a shift.", .source = "-",
    .options = "[{\"name\": \"shift\", \"default\": 0.0, \"source\": \"-\", \"meaning\": \"added to the diagonal\"}]",
    .table = &table};
static const kappa_part *const parts[] = {&part};
static const kappa_plugin plugin = {.struct_size = sizeof plugin, .abi = KAPPA_PLUGIN_ABI, .name = "@NAME@",
                                    .version = "1.0", .parts = 1, .part = parts};

const kappa_plugin *kappa_plugin_entry(const kappa_host *host, kappa_text error) {
  (void)host, (void)error;
  return &plugin;
}
)";

std::string filled(std::string text, const std::string& key, const std::string& value) {
  for (std::size_t at = text.find(key); at != std::string::npos; at = text.find(key, at + value.size())) {
    text.replace(at, key.size(), value);
  }
  return text;
}

void write(const fs::path& path, const std::string& text) {
  std::ofstream file(path);
  file << text;
  file.close();
  if (!file) {
    throw Error("plugin new: " + path.string() + " cannot be written");
  }
}

}  // namespace

std::string write_plugin_project(const PluginProject& project) {
  const std::string& name = project.name;
  const bool good =
      !name.empty() && name.size() <= 60 && name.front() >= 'a' && name.front() <= 'z' &&
      std::all_of(name.begin(), name.end(), [](char letter) {
        return (letter >= 'a' && letter <= 'z') || (letter >= '0' && letter <= '9') || letter == '-';
      });
  if (!good) {
    throw Error("plugin new: '" + name +
                "' is no name for a plugin; use lower-case letters, digits and hyphens, a letter first");
  }
  if (project.language != "c++" && project.language != "c") {
    throw Error("plugin new: --language is c++ or c, not '" + project.language + "'");
  }
  std::error_code failed;
  if (fs::exists(fs::symlink_status(name, failed))) {
    throw Error("plugin new: there is a '" + name +
                "' here already, and nothing is overwritten; take another name or another folder");
  }
  if (!fs::create_directory(name, failed)) {
    throw Error("plugin new: the folder '" + name + "' cannot be made: " + failed.message());
  }
  const bool in_c = project.language == "c";
  const std::string source = name + (in_c ? ".c" : ".cpp");
  const auto fill = [&](const char* text) {
    return filled(filled(filled(text, "@NAME@", name), "@SOURCE@", source), "@FEATURE@",
                  in_c ? "c_std_99" : "cxx_std_20");
  };
  write(fs::path(name) / "CMakeLists.txt", fill(cmake));
  write(fs::path(name) / "README.md", fill(readme));
  write(fs::path(name) / source, fill(in_c ? c : cpp));
  return "the project is in " + name + "/: " + source +
         ", CMakeLists.txt, README.md\n\n"
         "  cmake -S " +
         name + " -B " + name + "/build && cmake --build " + name + "/build\n  ctest --test-dir " + name +
         "/build --output-on-failure\n  kappa plugin check " + name + "/build/" + name + ".so\n";
}

}  // namespace kappa::cli
