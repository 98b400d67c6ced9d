#include "virtual_gpu/nccl/reduce.h"

#include <algorithm>
#include <cstdint>

#include <cuda_bf16.h>

namespace virtual_gpu {
namespace {

// bf16 is computed in f32, all others in themselves.
template <typename T>
struct Arithmetic {
  using type = T;
};
template <>
struct Arithmetic<__nv_bfloat16> {
  using type = float;
};

template <typename T>
void reduce_as(ncclRedOp_t reduction, const std::vector<const void*>& from, std::size_t count,
               void* to) {
  using Wide = typename Arithmetic<T>::type;
  for (std::size_t i = 0; i < count; ++i) {
    T value = static_cast<const T*>(from[0])[i];
    for (std::size_t rank = 1; rank < from.size(); ++rank) {
      const auto a = static_cast<Wide>(value);
      const auto b = static_cast<Wide>(static_cast<const T*>(from[rank])[i]);
      switch (reduction) {
        case ncclMax:
          value = static_cast<T>(std::max(a, b));
          break;
        case ncclMin:
          value = static_cast<T>(std::min(a, b));
          break;
        case ncclProd:
          value = static_cast<T>(a * b);
          break;
        default:
          value = static_cast<T>(a + b);
      }
    }
    if (reduction == ncclAvg) {
      value = static_cast<T>(static_cast<Wide>(value) / static_cast<Wide>(from.size()));
    }
    static_cast<T*>(to)[i] = value;
  }
}

}  // namespace

bool reduce(ncclDataType_t type, ncclRedOp_t reduction, const std::vector<const void*>& from,
            std::size_t count, void* to) {
  if (reduction < ncclSum || reduction > ncclAvg) {
    return false;
  }
  switch (type) {
    case ncclFloat32:
      reduce_as<float>(reduction, from, count, to);
      return true;
    case ncclFloat64:
      reduce_as<double>(reduction, from, count, to);
      return true;
    case ncclBfloat16:
      reduce_as<__nv_bfloat16>(reduction, from, count, to);
      return true;
    case ncclInt32:
      reduce_as<std::int32_t>(reduction, from, count, to);
      return true;
    case ncclInt64:
      reduce_as<std::int64_t>(reduction, from, count, to);
      return true;
    default:
      return false;
  }
}

}  // namespace virtual_gpu
