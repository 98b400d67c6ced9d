// The text form of a schedule, which says what the CSV cannot: where stages lie, how many layers
// they have, what is recomputed, and what every rank does behind its last action.
//
//   lockflight schedule 1
//   name zb-v
//   micro-batches 2
//   placement 0 1 1 0
//   layers 4 4 4 3
//   recompute 2 3 9
//   rank 0: 0F0 0F1 3F0 3I0 3W0 3F1 3I1 3W1 0I0 0W0 0I1 0W1 TIED NORM UPDATE
//   rank 1: 1F0 2F0 1F1 2F1 2I0 2W0 1I0 1W0 2I1 2W1 1I1 1W1 TIED NORM UPDATE
//
// Words are separated by one space, lines end in a line feed, and every line stands in its place,
// so there is just one text for everything that can be said.
//
//   name        in printable ASCII
//   placement   the rank of each stage
//   copies      2, where the placement holds two copies of the model, as DualPipe's does; for one
//               the line is missing
//   layers 4 4 4 3
//   recompute 2 3 9
//   rank 0: 0F0 0F1 3F0 3I0 3W0 3F1 3I1 3W1 0I0 0W0 0I1 0W1 TIED NORM UPDATE
//   rank 1: 1F0 2F0 1F1 2F1 2I0 2W0 1I0 1W0 2I1 2W1 1I1 1W1 TIED NORM UPDATE
//
// Words are separated by one space, lines end in a line feed, and every line stands in its place,
// so there is just one text for everything that can be said.
//
//   name        in printable ASCII
//   placement   the rank of each stage
//   copies      2, where the placement holds two copies of the model, as DualPipe's does; the line
//   is
//               missing for one
//   layers      of each stage of a copy; may be missing
//   recompute   never, always, or the numbers of the layers, ascending; may be missing
//   rank        a row of actions as the CSV has them, transfers and overlapped pairs too; a point
//               is an idle slot. A rank of a schedule with backwards then adds up the gradients of
//               tied weights (TIED), and all ranks meet for the norm of all gradients and update
//               (NORM UPDATE), or, with the optimizer in the schedule, each passes on its sums of
//               squares, updates and learns whether that was right (SUMS UPDATE VALIDATE)

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lockflight/schedule/schedule.h"

namespace lockflight::schedule {

/// What a run has to choose beside the order of a schedule.
struct Choices {
  enum class Recompute : std::uint8_t { unsaid, never, always, listed };

  std::vector<int> layers;  // of each stage of a copy; empty: unsaid
  Recompute recompute = Recompute::unsaid;
  std::vector<int> recomputed;         // with listed: numbers of layers, ascending
  bool optimizer_in_schedule = false;  // false for a schedule without backwards

  friend bool operator==(const Choices&, const Choices&) = default;
};

/// All that a text says.
struct SavedSchedule {
  Schedule schedule;
  Choices choices;

  friend bool operator==(const SavedSchedule&, const SavedSchedule&) = default;
};

/// Whether a text says of itself that it is in the text form, of whichever version.
bool is_text(std::string_view text);

/// What a text says; write_text gives the same bytes again.
/// Throws DataError that names line and column: for another version, a line or word that is not in
/// its place, a stage on another rank than its placement, numbers out of their range, too few
/// actions for the stages and micro-batches, or an end of a row that lockflight cannot run: another
/// order than those above, or not the same for all ranks. Whether the order of the actions makes
/// sense is asked by validate.
SavedSchedule read_text(std::string_view text);

/// The inverse of read_text.
/// Throws InvalidArgument unless the schedule's name is one or more printable ASCII characters.
std::string write_text(const SavedSchedule& saved);

/// An action, idle slots included, by the rank, which counts from 0, and its place in the row,
/// which counts from 1; 0: the row as a whole.
struct RowPlace {
  std::size_t rank = 0;
  std::size_t action = 0;
};

/// Where something stands in a text that read_text reads: "rank 1, action 4 (line 6, column 21)".
std::string action_place(std::string_view text, RowPlace place);

}  // namespace lockflight::schedule
