// What reader and writer of safetensors files share.

#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <utility>

#include "lockflight/core/dtype.h"

namespace lockflight::train {

constexpr std::string_view kMetadataKey = "__metadata__";
constexpr std::uint64_t kLengthBytes = 8;

constexpr std::array<std::pair<std::string_view, DType>, 4> kTypes = {{
    {"F32", DType::f32},
    {"BF16", DType::bf16},
    {"F64", DType::f64},
    {"I32", DType::i32},
}};

}  // namespace lockflight::train
