#include "covariance.h"

#include <fnmatch.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>

#include "output.h"
#include "text.h"

namespace kappa::cli {

namespace {

using Object = nlohmann::ordered_json;

struct NamedBlock {
  std::string name;
  TangentRange range;
};

bool wanted(const std::string& name, const std::vector<std::string>& patterns) {
  return patterns.empty() || std::any_of(patterns.begin(), patterns.end(), [&](const std::string& pattern) {
           return fnmatch(pattern.c_str(), name.c_str(), 0) == 0;
         });
}

/// Neighbouring variables of one block name are a block.
std::vector<NamedBlock> blocks_of(const Problem& problem, const std::vector<std::string>& patterns) {
  std::vector<NamedBlock> out;
  std::string last;
  for (Index i = 0; i < problem.tangent_dimension(); ++i) {
    std::string name = problem.block_name(i);
    if (i > 0 && name == last) {
      if (!out.empty() && out.back().range.begin + out.back().range.size == i && out.back().name == name) {
        ++out.back().range.size;
      }
      continue;
    }
    last = name;
    if (wanted(name, patterns)) {
      out.push_back({std::move(name), {i, 1}});
    }
  }
  if (out.empty()) {
    throw Error("--of: no parameter block has a name like " + (patterns.empty() ? "*" : patterns.front()) +
                "; the first one is '" + problem.block_name(0) + "'");
  }
  return out;
}

/// A field of a CSV file, quoted as in RFC 4180.
std::string quoted(const std::string& name) {
  std::string out = "\"";
  for (const char c : name) {
    out += c == '"' ? "\"\"" : std::string(1, c);
  }
  return out + "\"";
}

void write_csv(const BlockCovariance& covariance, const std::vector<NamedBlock>& blocks, std::FILE* file) {
  std::fputs("block,row,column,covariance\n", file);
  for (const NamedBlock& block : blocks) {
    const Matrix C = covariance.block(block.range);
    for (Index i = 0; i < C.rows; ++i) {
      for (Index j = 0; j <= i; ++j) {
        std::fprintf(file, "%s,%td,%td,%.17g\n", quoted(block.name).c_str(), i, j, C(i, j));
      }
    }
  }
}

Object describe(const NullSpace& null_space) {
  Object out = Object::array();
  for (const NullDirection& direction : null_space.directions) {
    Object parts = Object::array();
    for (const NullDirection::Part& part : direction.parts) {
      parts.push_back({{"block", part.name}, {"share", part.share}, {"direction", part.direction}});
    }
    out.push_back({{"name", direction.name},
                   {"symmetry", direction.symmetry},
                   {"blocks", direction.blocks},
                   {"largest", parts}});
  }
  return out;
}

void write_json(const Target& target, const BlockCovariance& covariance,
                const std::vector<NamedBlock>& blocks, std::FILE* file) {
  Object out;
  out["problem"] = target.address();
  out["variance"] = covariance.variance();
  out["variables"] = covariance.size();
  out["rank"] = covariance.rank();
  out["held"] = covariance.held();
  out["null_space"] = describe(covariance.null_space());
  out["blocks"] = Object::array();
  for (const NamedBlock& block : blocks) {
    const Matrix C = covariance.block(block.range);
    Object rows = Object::array();
    for (Index i = 0; i < C.rows; ++i) {
      Object row = Object::array();
      for (Index j = 0; j < C.cols; ++j) {
        row.push_back(C(i, j));
      }
      rows.push_back(std::move(row));
    }
    out["blocks"].push_back({{"name", block.name},
                             {"standard_errors", covariance.standard_errors(block.range)},
                             {"covariance", std::move(rows)}});
  }
  const std::string text = out.dump(1, ' ', false, Object::error_handler_t::replace) + "\n";
  std::fwrite(text.data(), 1, text.size(), file);
}

[[noreturn]] void cannot_write(const std::string& path, const std::string& why) {
  throw Error("--covariance " + path + ": cannot be written: " + why);
}

}  // namespace

void check_covariance(const CovarianceRequest& request) {
  if (request.path.empty()) {
    if (!request.of.empty()) {
      throw Error("--of names blocks for --covariance FILE, which is not given");
    }
    return;
  }
  if (!request.path.ends_with(".csv") && !request.path.ends_with(".json")) {
    throw Error("--covariance " + request.path + ": the name must end in .csv or .json");
  }
  check_writable("--covariance", request.path);
}

TimedCovariance find_covariance(const Target& target, ConstVectorRef x) {
  const auto start = std::chrono::steady_clock::now();
  TimedCovariance out{BlockCovariance(*target.problem, x)};
  out.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return out;
}

Index write_covariance(const Target& target, const BlockCovariance& covariance,
                       const CovarianceRequest& request) {
  const std::vector<NamedBlock> blocks = blocks_of(*target.problem, request.of);
  const std::string unfinished = request.path + "." + std::to_string(getpid()) + ".part";
  std::FILE* file = std::fopen(unfinished.c_str(), "w");
  if (file == nullptr) {
    cannot_write(request.path, std::strerror(errno));
  }
  if (request.path.ends_with(".csv")) {
    write_csv(covariance, blocks, file);
  } else {
    write_json(target, covariance, blocks, file);
  }
  const bool complete = std::ferror(file) == 0;
  if (std::fclose(file) != 0 || !complete || std::rename(unfinished.c_str(), request.path.c_str()) != 0) {
    const std::string why = std::strerror(errno);
    std::remove(unfinished.c_str());
    cannot_write(request.path, why);
  }
  return static_cast<Index>(blocks.size());
}

}  // namespace kappa::cli
