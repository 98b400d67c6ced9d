// A schedule file, CSV or text form: what is in it, whether that can be run, and where in it
// something is wrong.

#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lockflight/plan/program.h"
#include "lockflight/plan/prove.h"
#include "lockflight/schedule/schedule.h"
#include "lockflight/schedule/text.h"

namespace lockflight::tools {

/// Whether what is asked for as a schedule is a file, and not the name of one: it has a point or a
/// slash.
bool is_schedule_file(std::string_view name);

/// Whether a file that is to be written is one of torch.distributed.pipelining, by its name.
bool is_csv_file(std::string_view path);

struct ScheduleFile {
  std::string path;
  std::string text;
  schedule::Schedule schedule;               ///< of a CSV named by the path
  std::optional<schedule::Choices> choices;  ///< of a text; a CSV says nothing of them

  bool optimizer_in_schedule() const { return choices && choices->optimizer_in_schedule; }
};

/// What a text holds that was read from a path; its first line says in which form it is.
/// Throws DataError that begins with the path.
ScheduleFile parse_schedule_file(std::string path, std::string text);

/// The same of a file.  Throws FileError, too.
ScheduleFile read_schedule_file(const std::string& path);

/// As a file of that name holds it: CSV, which loses the choices, if it ends in .csv, else text.
/// Throws InvalidArgument as schedule::write_text does.
std::string schedule_file_text(std::string_view path, const schedule::SavedSchedule& saved);

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
/// Where the file has the optimizer in the schedule, either is at last proved with that.
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

/// What the command line says of what a text may say, too.
struct GivenChoices {
  std::optional<std::string> recompute;  ///< never, when-needed or always; none: not given
  std::string split = "auto";
  bool optimizer_in_schedule = false;
};

/// Throws InvalidArgument where the command line says something else than the file.
void check_choices(const ScheduleFile& file, const GivenChoices& given);

struct RunnableFile {
  ScheduleFile file;
  plan::Program program;  ///< without ties
};

/// Reads and proves a file.  Throws FileError; InvalidArgument if it is of another size than was
/// given, or makes other choices; DataError with the place in the file of what keeps it from being
/// run.
RunnableFile read_runnable_file(const std::string& path, const GivenSize& size,
                                const GivenChoices& choices);

}  // namespace lockflight::tools
