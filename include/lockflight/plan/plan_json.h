// Plans as JSON text: saved by one program, loaded by another.

#pragma once

#include <string>
#include <string_view>

#include "lockflight/plan/plan.h"

namespace lockflight {

/// Everything of a plan but its program, which follows from the rest.
std::string plan_to_json(const Plan& plan);

/// The inverse.  The program is lowered anew, so a text cannot smuggle in another one.
/// Throws DataError, with one sentence that names `where` (a file), line and column, and the key,
/// if the text is no JSON, of another version, lacks something, has a number out of its range, or
/// contradicts itself: stages that do not follow one another, a stage on another rank than its
/// schedule says, a schedule that cannot be lowered, memory for another number of ranks or beyond
/// the limit.
Plan plan_from_json(std::string_view text, const std::string& where = "plan");

}  // namespace lockflight
