// What the generators share.

#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "lockflight/schedule/schedule.h"

namespace lockflight::schedule {

using OrderOfRank = std::function<std::vector<Action>(int rank)>;
using CellsOfRank = std::function<std::vector<Cell>(int rank)>;

/// The size with one stage per rank where it says nothing of stages.
/// Throws InvalidArgument unless there is at least one rank, micro-batch and stage per rank.
PipelineSize checked(std::string_view name, PipelineSize size);

/// A schedule in loop placement whose rank r runs order(r).  Throws as `checked` does.
Schedule in_loop_placement(std::string name, PipelineSize size, const OrderOfRank& order);

/// The same with one stage a rank; throws InvalidArgument if the size has several.
Schedule one_stage_a_rank(std::string name, PipelineSize size, const OrderOfRank& order);

/// A schedule in V placement whose rank r runs cells(r).  Throws InvalidArgument unless there is at
/// least one rank and micro-batch, and if the size has another number of stages per rank than two.
Schedule in_v_placement(std::string name, PipelineSize size, const CellsOfRank& cells);

/// Every action in a cell of its own.
std::vector<Cell> one_by_one(const std::vector<Action>& actions);

/// That kind of action of a stage for every micro-batch, ascending.
std::vector<Action> of_all_micro_batches(int stage, ActionKind kind, int micro_batches);

/// `warm_up` forwards, then a forward and a backward in turn, then the backwards that are left.
std::vector<Action> alternate(const std::vector<Action>& forwards,
                              const std::vector<Action>& backwards, std::size_t warm_up);

/// Every B in two: I in its place, and W after the I of the B that comes `delay` later, or at the
/// end. So weight gradients stay in the order of the backwards.
std::vector<Action> split_backwards(const std::vector<Action>& order, std::size_t delay);

}  // namespace lockflight::schedule
