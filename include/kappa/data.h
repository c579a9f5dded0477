// Dataset: samples with their targets, as read from the files in which people keep them.
//
//   libsvm   "label index:value ...", one sample a line, indices from 1      sparse
//   CSV      numbers in columns, one of them the target, a header or none   dense
//   idx      the MNIST family's images and labels, also as .gz              dense, scaled to [0, 1]
//
// A file that gzip packed is decompressed as it is read, where kappa was built with zlib (CMake option
// KAPPA_ZLIB). Readers take what is meant and refuse what is wrong: an Error names the file, the line (or
// byte) and the remedy. Memory stays in proportion to the file's size, whatever counts it states.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "kappa/base.h"

namespace kappa {

/// A matrix with one sample in each row: dense, or in compressed sparse rows.
struct Features {
  Index samples = 0;
  Index size = 0;                ///< columns
  std::vector<double> value;     ///< dense: sample i begins at i * size; sparse: the entries that are not 0
  std::vector<Index> row_start;  ///< sparse: samples + 1 long; dense: empty
  std::vector<std::int32_t> column;  ///< sparse: as long as value, rising within a row

  bool sparse() const { return !row_start.empty(); }
};

/// Features with a class or with real targets for each sample.
struct Dataset {
  std::string name;
  Features features;
  std::vector<std::int32_t> label;   ///< classification: class of each sample, from 0; otherwise empty
  std::vector<std::string> classes;  ///< what the file calls class c, in rising order
  std::vector<double> target;        ///< regression: sample i begins at i * outputs
  Index outputs = 0;                 ///< regression: targets of a sample

  Index samples() const { return features.samples; }
};

/// Whether the targets of a file are class labels or numbers.
enum class Targets : std::uint8_t { classes, numbers };

struct LibsvmOptions {
  Targets targets = Targets::classes;
  Index features = 0;  ///< columns; 0: the largest index in the file
};
/// Reads a libsvm file. Classes are integers of at most 32 bits, ordered as such and named as they are
/// written shortest ("+1" is "1"). Entries of 0 are left out, blank lines and what follows a # are skipped.
/// Throws Error for indices that do not rise from 1 on, numbers that are not finite, and files without
/// samples.
Dataset load_libsvm(const std::string& path, const LibsvmOptions& options = {});

struct CsvOptions {
  Targets targets = Targets::classes;
  Index target_column = -1;  ///< from 0; -1: the last
  /// A first line of anything but numbers is taken for a header in any case. One that says how many samples
  /// and features there are and names the classes ("150,4,setosa,versicolor,virginica") names those too.
  Index skip_lines = 0;
};
/// Reads numbers between commas (semicolons or tabs where the first line has no comma); the target column may
/// hold names where it stands for classes, which are ordered by number where all are numbers, else by name.
/// Throws Error for ragged rows, empty cells, NaN, files without samples, and counts that do not agree.
Dataset load_csv(const std::string& path, const CsvOptions& options = {});

/// Reads images and labels in the idx format, unsigned bytes. Pixels are divided by 255; the classes are the
/// labels that occur. Throws Error, with the byte, for files of another kind, that are cut short or whose
/// counts do not agree.
Dataset load_idx(const std::string& images, const std::string& labels);

/// The classes of `data` in the order of `like`, so that a validation set has those of its training set.
/// Throws Error for a class that `like` does not have.
void match_classes(const Dataset& like, Dataset& data);

/// The samples numbered `which`, with all classes.
Dataset take_samples(const Dataset& data, std::span<const Index> which);

/// The samples numbered `which`, dense.
Features dense_rows(const Features& features, std::span<const Index> which);

}  // namespace kappa
