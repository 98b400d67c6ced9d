// Options from a TOML file.

#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace lockflight::tools {

/// `key = value`, the value as one would write it on the command line: numbers as they are, true
/// and false, an array [1, 3, 2] as 1,3,2.
struct Setting {
  std::string key;
  std::string value;
  unsigned line = 0;
};

/// Throws FileError if the file cannot be read, InvalidArgument if it is no TOML or has a value of
/// another kind.
std::vector<Setting> read_config(const std::filesystem::path& path);

}  // namespace lockflight::tools
