// The choice of an algorithm, and the product on a stream.

#include <array>
#include <bit>
#include <string>

#include <fmt/format.h>

#include "virtual_gpu/cublasLt/call.h"
#include "virtual_gpu/cublasLt/descriptors.h"
#include "virtual_gpu/cublasLt/product.h"

namespace virtual_gpu::blas {
namespace {

// A real algorithm may use less or more; some is always used, so that shared workspaces show.
constexpr std::uint64_t kWorkspaceBytes = 4096;

std::uint64_t mix(std::uint64_t hash, std::uint64_t value) {
  return (hash ^ value) * 0x9e3779b97f4a7c15ULL + std::rotl(hash, 23);
}

std::uint64_t hash_of(const Description& description, const std::array<Layout, 4>& layouts) {
  std::uint64_t hash = mix(1, static_cast<std::uint64_t>(description.compute));
  for (const auto value :
       {static_cast<std::uint64_t>(description.scale), static_cast<std::uint64_t>(description.a),
        static_cast<std::uint64_t>(description.b),
        static_cast<std::uint64_t>(description.epilogue)}) {
    hash = mix(hash, value);
  }
  for (const Layout& layout : layouts) {
    hash = mix(hash, static_cast<std::uint64_t>(layout.type));
    hash = mix(hash, layout.rows);
    hash = mix(hash, layout.columns);
    hash = mix(hash, static_cast<std::uint64_t>(layout.leading));
  }
  return hash;
}

bool is_element(cudaDataType_t type) { return type == CUDA_R_32F || type == CUDA_R_16BF; }

// What the documentation of cublasLtMatmul asks for; empty if all of it holds.
std::string wrong_with(const Description& d, const std::array<Layout, 4>& layouts) {
  const auto& [a, b, c, out] = layouts;
  if (d.compute != CUBLAS_COMPUTE_32F || d.scale != CUDA_R_32F) {
    return "compute and scale types other than f32";
  }
  for (const Layout& layout : layouts) {
    if (!is_element(layout.type)) {
      return fmt::format("element type {}", static_cast<int>(layout.type));
    }
    if (layout.leading < static_cast<std::int64_t>(layout.rows)) {
      return fmt::format("a leading dimension of {} for {} rows", layout.leading, layout.rows);
    }
  }
  if (a.type != b.type || c.type != out.type || (a.type == CUDA_R_32F && out.type != CUDA_R_32F)) {
    return "element types that do not go together";
  }
  const std::uint64_t m = d.a == CUBLAS_OP_N ? a.rows : a.columns;
  const std::uint64_t k = d.a == CUBLAS_OP_N ? a.columns : a.rows;
  const std::uint64_t other_k = d.b == CUBLAS_OP_N ? b.rows : b.columns;
  const std::uint64_t n = d.b == CUBLAS_OP_N ? b.columns : b.rows;
  if (k != other_k || out.rows != m || out.columns != n || c.rows != m || c.columns != n) {
    return fmt::format("op(a) is {} x {}, op(b) {} x {}, c {} x {}, d {} x {}", m, k, other_k, n,
                       c.rows, c.columns, out.rows, out.columns);
  }
  if (d.epilogue != CUBLASLT_EPILOGUE_DEFAULT && d.epilogue != CUBLASLT_EPILOGUE_BIAS) {
    return fmt::format("epilogue {}, which the virtual host does not have",
                       static_cast<int>(d.epilogue));
  }
  if (d.epilogue == CUBLASLT_EPILOGUE_BIAS && d.bias_type_given && d.bias_type != out.type) {
    return "a bias of another type than d";
  }
  return {};
}

std::string wrong_with(Machine& machine, const Handle& handle, const Algorithm& algorithm,
                       const Problem& problem, const void* workspace, std::size_t bytes,
                       const Stream& stream) {
  if (handle.device != machine.hosts.current_device() || stream.device != handle.device) {
    return fmt::format("a handle of device {} on a stream of device {} with device {} current",
                       handle.device, stream.device, machine.hosts.current_device());
  }
  if (algorithm.magic != Algorithm::kMagic) {
    return "an algorithm that cublasLtMatmulAlgoGetHeuristic did not give";
  }
  if (algorithm.problem != hash_of(problem.description, {problem.a.layout, problem.b.layout,
                                                         problem.c.layout, problem.d.layout})) {
    return "an algorithm of another product";
  }
  if (bytes < algorithm.workspace_bytes || workspace == nullptr ||
      reinterpret_cast<std::uintptr_t>(workspace) % 16 != 0) {
    return fmt::format("a workspace of {} bytes at {}; {} bytes, aligned to 16, are needed", bytes,
                       workspace, algorithm.workspace_bytes);
  }
  const std::array operands = {&problem.a, &problem.b, &problem.c, &problem.d};
  for (std::size_t i = 0; i < operands.size(); ++i) {
    const auto address = reinterpret_cast<std::uintptr_t>(operands[i]->data);
    if (address % algorithm.alignment[i] != 0) {
      return fmt::format("operand {} at {}, but the algorithm was asked for an alignment of {}",
                         "abcd"[i], operands[i] -> data, algorithm.alignment[i]);
    }
  }
  if (problem.c.data == problem.d.data && problem.c.layout.leading != problem.d.layout.leading) {
    return "c and d in one place with different leading dimensions";
  }
  return {};
}

const Layout& layout_of(cublasLtMatrixLayout_t opaque) {
  return *reinterpret_cast<const Layout*>(opaque);
}

cublasStatus_t refuse(Machine& machine, const std::string& wrong) {
  machine.report("wrong matmul", "cuBLASLt is asked for a product with " + wrong);
  return CUBLAS_STATUS_INVALID_VALUE;
}

void enqueue(Machine& machine, Stream& stream, const Problem& problem, void* workspace,
             std::size_t workspace_bytes) {
  Operation operation{.name = intern("cublasLtMatmul")};
  const auto touch = [&](const Operand& operand, bool writes) {
    const Layout& layout = operand.layout;
    const std::size_t column = layout.rows * layout.element_bytes();
    const std::size_t stride = static_cast<std::size_t>(layout.leading) * layout.element_bytes();
    const auto* begin = static_cast<const std::byte*>(operand.data);
    if (column == stride) {
      operation.accesses.push_back({begin, column * layout.columns, writes, true});
      return;
    }
    for (std::size_t j = 0; j < layout.columns; ++j) {
      operation.accesses.push_back({begin + j * stride, column, writes, true});
    }
  };
  touch(problem.a, false);
  touch(problem.b, false);
  if (problem.beta != 0) {
    touch(problem.c, false);
  }
  touch(problem.d, true);
  if (problem.description.bias != nullptr) {
    operation.accesses.push_back({problem.description.bias,
                                  problem.d.layout.rows * problem.d.layout.element_bytes(), false,
                                  true});
  }
  operation.accesses.push_back({workspace, workspace_bytes, true, true});
  operation.run = [problem, workspace, workspace_bytes](const Operation&) {
    std::memset(workspace, 0xff, workspace_bytes);
    multiply(problem);
  };
  machine.scheduler.enqueue(stream, std::move(operation));
}

}  // namespace
}  // namespace virtual_gpu::blas

using namespace virtual_gpu::blas;
using virtual_gpu::Machine;
using virtual_gpu::Stream;

LOCKFLIGHT_API cublasStatus_t cublasLtMatmulAlgoGetHeuristic(
    cublasLtHandle_t /*handle*/, cublasLtMatmulDesc_t description, cublasLtMatrixLayout_t a,
    cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
    cublasLtMatmulPreference_t opaque, int wanted, cublasLtMatmulHeuristicResult_t results[],
    int* count) {
  return call(__func__, [&](Machine& m) {
    *count = 0;
    const auto& desc = *reinterpret_cast<const Description*>(description);
    const std::array layouts = {layout_of(a), layout_of(b), layout_of(c), layout_of(d)};
    if (const std::string wrong = wrong_with(desc, layouts); !wrong.empty() || wanted < 1) {
      return refuse(m, wanted < 1 ? "no room for an algorithm" : wrong);
    }
    const auto& preference = *reinterpret_cast<const Preference*>(opaque);
    if (preference.workspace_bytes < kWorkspaceBytes) {
      return CUBLAS_STATUS_NOT_SUPPORTED;
    }
    Algorithm algorithm{.magic = Algorithm::kMagic,
                        .problem = hash_of(desc, layouts),
                        .workspace_bytes = kWorkspaceBytes};
    std::memcpy(algorithm.alignment, preference.alignment, sizeof algorithm.alignment);
    results[0] = {};
    std::memcpy(&results[0].algo, &algorithm, sizeof algorithm);
    results[0].workspaceSize = kWorkspaceBytes;
    results[0].state = CUBLAS_STATUS_SUCCESS;
    *count = 1;
    return CUBLAS_STATUS_SUCCESS;
  });
}

LOCKFLIGHT_API cublasStatus_t cublasLtMatmul(
    cublasLtHandle_t handle, cublasLtMatmulDesc_t description, const void* alpha, const void* a,
    cublasLtMatrixLayout_t a_layout, const void* b, cublasLtMatrixLayout_t b_layout,
    const void* beta, const void* c, cublasLtMatrixLayout_t c_layout, void* d,
    cublasLtMatrixLayout_t d_layout, const cublasLtMatmulAlgo_t* algo, void* workspace,
    std::size_t workspace_bytes, cudaStream_t cuda_stream) {
  return call(__func__, [&](Machine& m) {
    Stream* stream = m.find(cuda_stream);
    if (stream == nullptr || algo == nullptr) {
      return CUBLAS_STATUS_INVALID_VALUE;
    }
    Problem problem{.description = *reinterpret_cast<const Description*>(description),
                    .a = {a, layout_of(a_layout)},
                    .b = {b, layout_of(b_layout)},
                    .c = {c, layout_of(c_layout)},
                    .d = {d, layout_of(d_layout)},
                    .alpha = *static_cast<const float*>(alpha),
                    .beta = *static_cast<const float*>(beta)};
    Algorithm algorithm;
    std::memcpy(static_cast<void*>(&algorithm), algo, sizeof algorithm);
    const std::string wrong = wrong_with(m, *reinterpret_cast<const Handle*>(handle), algorithm,
                                         problem, workspace, workspace_bytes, *stream);
    if (!wrong.empty()) {
      return refuse(m, wrong);
    }
    if (problem.description.epilogue != CUBLASLT_EPILOGUE_BIAS) {
      problem.description.bias = nullptr;
    } else if (!problem.description.bias_type_given) {
      problem.description.bias_type = problem.d.layout.type;
    }
    enqueue(m, *stream, problem, workspace, algorithm.workspace_bytes);
    return CUBLAS_STATUS_SUCCESS;
  });
}
