// The peak memory of one solver on one case, measured in a process of its own.
//
// Resident memory is the process's: whatever another solver, an earlier run or the parser once held would be
// counted as well. So the program starts itself anew for each figure (exec, since threads of oneTBB do not
// survive a fork). The child parses the case's data, gives back what parsing left, sets the kernel's
// high-water mark back to what is resident then, solves once, and writes by how much the mark rose.
//
// Counted is all that became resident meanwhile: problem, derivatives, factors, the solver's threads and the
// pages of its code that were touched (some MB). Not counted is the parsed data.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "bench/peer.h"
#include "bench/suite.h"

namespace kappa::bench {

/// In the child: bytes that became resident at most while `peer` solved the case; empty where the system
/// does not tell.
std::optional<double> peak_bytes_here(const Peer& peer, const Case& c, int threads);

/// In the parent: runs this program with `arguments` and returns the one number that it writes to its
/// standard output; empty where it fails.
std::optional<double> number_from_own_program(const std::vector<std::string>& arguments);

}  // namespace kappa::bench
