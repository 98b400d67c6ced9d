#include "device/cuda/nvtx.h"

#include <nvtx3/nvToolsExt.h>

namespace lockflight::cuda {
namespace {

// No tool: no domain.
nvtxDomainHandle_t domain() {
  static const nvtxDomainHandle_t made = nvtxDomainCreateA("lockflight");
  return made;
}

}  // namespace

bool nvtx_attached() { return domain() != nullptr; }

void nvtx_push(const char* name) {
  nvtxEventAttributes_t attributes{};
  attributes.version = NVTX_VERSION;
  attributes.size = NVTX_EVENT_ATTRIB_STRUCT_SIZE;
  attributes.messageType = NVTX_MESSAGE_TYPE_ASCII;
  attributes.message.ascii = name;
  nvtxDomainRangePushEx(domain(), &attributes);
}

void nvtx_pop() { nvtxDomainRangePop(domain()); }

}  // namespace lockflight::cuda
