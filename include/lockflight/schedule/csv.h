// The schedule files of torch.distributed.pipelining, both dialects: "compute only" with F, I, W, B
// and overlapped pairs, "compute and comms" with transfers as well.
//
//   0F0,0F1,,0B0,,0B1          one row per rank, cells separated by commas, an empty cell is an
//   ,1F0,1B0,1F1,1B1,          idle slot, (0F7;7B3)OVERLAP_F_B runs a forward and a backward
//                              together
//
// Source: PyTorch, torch/distributed/pipelining/schedules.py, _load_csv and _dump_csv.

#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "lockflight/schedule/schedule.h"

namespace lockflight::schedule {

/// How the rows of a file end, which the schedule itself does not say.
struct CsvStyle {
  bool carriage_returns = false;  // "\r\n", as PyTorch writes it, instead of "\n"
  bool ends_last_row = true;

  friend bool operator==(const CsvStyle&, const CsvStyle&) = default;
};

/// The style of a text: carriage_returns by its first row.
CsvStyle csv_style(std::string_view text);

/// The schedule in a text. A stage lies on the rank in whose row it stands. Rows keep their idle
/// slots, so write_csv gives the same bytes again; only spaces around cells are dropped. The
/// placement is two-way if stages lie so and those of either copy have their half of the
/// micro-batches only.
///   name    of the schedule, since the file has none
/// Throws DataError that names row, cell, line and column as cell_place does: for a cell that is no
/// action, a stage in two rows or in none, a row without an action, or too few actions for the
/// stages and micro-batches that they name. Whether the order makes sense is asked by validate.
Schedule read_csv(std::string_view text, std::string name = "csv");

/// Where something stands in a text that read_csv reads: "row 2, cell 4 (line 2, column 13)". All
/// count from 1; the column, in characters, is that of the first one in the cell that is no space.
/// Cell 0 is the row as a whole: "row 2 (line 2, column 1)". Of a text that read_text reads it is
/// what action_place says.
std::string cell_place(std::string_view text, std::size_t row, std::size_t cell);

/// The inverse of read_csv.
std::string write_csv(const Schedule& schedule, const CsvStyle& style = {});

}  // namespace lockflight::schedule
