// A schedule file: what is in it, whether that can be run, and where in it something is wrong.

#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lockflight/plan/program.h"
#include "lockflight/plan/prove.h"
#include "lockflight/schedule/schedule.h"

namespace lockflight::tools {

/// Whether what is asked for as a schedule is a file, and not the name of one: it ends in .csv.
bool is_schedule_file(std::string_view name);

struct ScheduleFile {
  std::string path;
  std::string text;
  schedule::Schedule schedule;  ///< named by the path
};

/// Throws FileError, or DataError that begins with the path.
ScheduleFile read_schedule_file(const std::string& path);

struct ScheduleProof {
  plan::Program program;  ///< that the proof is of
  plan::Proof proof;
  /// By rank and instruction, the cell it comes from; empty where instructions are not those of the
  /// file.
  std::vector<std::vector<int>> cells;
};

/// Proves a schedule of either dialect.  One with transfers is proved in its own order.  One
/// without is proved with the plainest transfers first, so that findings have cells, and then as
/// the program that lockflight makes of it, or, for one stream, only with the plainest transfers.
/// Throws DataError that begins with the path for transfers that can belong to no program.
ScheduleProof prove_schedule(const ScheduleFile& file, bool one_stream);

/// Where a finding stands in the file, counted from 1; -1: it stands nowhere there, or in the row
/// as a whole.
struct FilePlace {
  int row = -1;
  int cell = -1;
};
FilePlace place_of(const plan::Finding& finding, const ScheduleProof& proved);

/// "row 2, cell 4 (line 2, column 13): …"
std::string describe(const plan::Finding& finding, const ScheduleProof& proved,
                     const ScheduleFile& file);

/// What the command line says of a pipeline's size; none: what the file has.
struct GivenSize {
  std::optional<int> ranks;
  std::optional<int> micro_batches;
  std::optional<int> chunks;
};

struct RunnableFile {
  schedule::Schedule schedule;
  plan::Program program;  ///< without ties
};

/// Reads and proves a file.  Throws FileError; InvalidArgument if it is of another size than was
/// given; DataError with the place in the file of what keeps it from being run.
RunnableFile read_runnable_file(const std::string& path, const GivenSize& given);

}  // namespace lockflight::tools
