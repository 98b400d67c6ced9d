// lockflight render: a schedule's timetable as a picture.

#pragma once

#include "tools/console.h"
#include "tools/render_options.h"

namespace lockflight::tools {

/// Writes the SVG to options.out, or prints it if there is none.  Throws InvalidArgument, FileError
/// if the schedule file cannot be read or the picture not be written, DataError if there is no
/// schedule in the file that can be run, PlanError if a plan does not fit.
void run_render(const RenderOptions& options, const Console& console);

}  // namespace lockflight::tools
