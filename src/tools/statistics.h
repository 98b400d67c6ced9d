// What is said about samples instead of listing them.

#pragma once

#include <vector>

namespace lockflight::tools {

struct Summary {
  double least = 0;
  double lower_quartile = 0;
  double median = 0;
  double upper_quartile = 0;
  double most = 0;
};

/// Between two samples it takes what lies in proportion between them; of no samples all is 0.
Summary summary_of(std::vector<double> samples);

double median(std::vector<double> samples);

}  // namespace lockflight::tools
