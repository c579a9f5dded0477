// Checkpoints: the state of a solve in a file, from which it resumes to the same bits.
//
// Every stateful part names its members to a State, which writes them or reads them back. So a part says once
// what its future depends on, and saving and loading cannot fall apart:
//
//     bool state(State& s) override {
//       s.section("running-diagonal", 1);
//       s.item("average", v_);
//       return true;
//     }
//
// A part that does not override state() is refused where a checkpoint is asked for, by name.
//
// The file: "kappaCP1", length of what follows (8 bytes), records, hash of the records (8 bytes). Numbers are
// little-endian, doubles bit by bit. A record is its type, its name and its value; sections are records with
// a version. A file is written under a temporary name, flushed to the disk and renamed, so that at every
// moment there is a whole one.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "kappa/base.h"

namespace kappa {

/// Whether and where a solve is saved. The first checkpoint is written at the start, so that a file that
/// cannot be written is found at once; one that fails later is noted in the result.
struct Checkpoint {
  std::string path = {};  ///< empty: none
  Index iterations = 0;   ///< accepted steps from one checkpoint to the next; 0: no such rule
  double seconds = 60;    ///< from one checkpoint to the next, at least; 0: no such rule
  enum class Start : std::uint8_t {
    afresh,  ///< what is in the file is replaced
    resume   ///< from the file, which must be of the same problem, start and method
  } start = Start::afresh;
};

/// The members of a part, to be written or read back in the same order.
class State {
 public:
  /// Writes into `buffer`, which is cleared and keeps its memory.
  static State saving(std::vector<char>& buffer);
  /// Reads from `buffer`. Errors begin with `origin`, the name of the file.
  static State loading(const std::vector<char>& buffer, std::string origin);

  bool loads() const { return loads_; }

  /// Begins the members of a part. A version differs where members do; loading another throws Error.
  void section(std::string_view name, std::uint32_t version);

  /// Each writes its value, or replaces it. Loading throws Error where the next record has another name or
  /// type, or the text ends.
  void item(std::string_view name, double& value);
  void item(std::string_view name, std::int64_t& value);
  void item(std::string_view name, std::uint64_t& value);
  void item(std::string_view name, bool& value);
  void item(std::string_view name, std::string& value);
  void item(std::string_view name, std::vector<double>& value);
  void item(std::string_view name, std::vector<std::int64_t>& value);
  template <class E>
  requires std::is_enum_v<E>
  void item(std::string_view name, E& value) {
    auto number = static_cast<std::int64_t>(value);
    item(name, number);
    value = static_cast<E>(number);
  }

  /// Writes `value`, or throws Error where the value that was written differs: `mismatch` says what that
  /// means.
  void same(std::string_view name, std::uint64_t value, std::string_view mismatch);
  void same(std::string_view name, std::string_view value, std::string_view mismatch);

  /// Throws Error where records are left.
  void end() const;

  /// Throws Error "ORIGIN: WHAT".
  [[noreturn]] void refuse(std::string_view what) const;

 private:
  enum class Type : std::uint8_t { section = 1, number, integer, natural, truth, text, numbers, integers };

  State(std::vector<char>* written, const std::vector<char>* read, std::string origin);
  void head(Type type, std::string_view name);
  void bytes(void* data, std::size_t size);
  void word(std::uint64_t& value);
  std::uint64_t length(std::uint64_t current, std::size_t each);

  std::vector<char>* written_ = nullptr;
  const std::vector<char>* read_ = nullptr;
  std::size_t at_ = 0;
  std::string origin_;
  bool loads_ = false;
};

/// A hash of 64 bits of words; a change within one word always changes it.
class BitHash {
 public:
  void add(std::uint64_t word);
  void add(double value);
  void add(ConstVectorRef values);
  std::uint64_t value() const { return hash_; }

 private:
  std::uint64_t hash_ = 0xCBF29CE484222325u;
};

/// Replaces the file by one with these records: temporary name, fsync, rename, fsync of the folder. Throws
/// Error, and leaves the file that was there as it was.
void write_checkpoint(const std::string& path, const std::vector<char>& records);

/// The records of a checkpoint. Throws Error for a file that is not there, is no checkpoint, was cut short or
/// does not have its hash.
std::vector<char> read_checkpoint(const std::string& path);

}  // namespace kappa
