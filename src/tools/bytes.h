// Sizes of memory as people write them.

#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace lockflight::tools {

/// "80GiB", "1.5 GiB", "512MB", "1000": units of 1024 (KiB, MiB, GiB, TiB) or of 1000 (kB, MB, GB,
/// TB), or plain bytes.  An empty text is 0.  Throws InvalidArgument that names `option`.
std::size_t parse_bytes(std::string_view option, const std::string& text);

}  // namespace lockflight::tools
