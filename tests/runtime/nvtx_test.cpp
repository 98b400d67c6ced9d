// The ranges that a profiler sees.  This program is its own profiler: it supplies the function that
// NVTX looks for when it looks for a tool.

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nvtx3/nvToolsExt.h>

#include "lockflight/plan/program.h"
#include "runtime/test_models.h"
#include "virtual_gpu/control.h"

namespace lockflight {
namespace {

struct Range {
  std::string name;
  std::int64_t calls = 0;  // of what such an action enqueues, while it was open
  bool open = true;
};

class Recorder {
 public:
  void push(const char* name) {
    const std::scoped_lock lock(mutex_);
    ranges_[std::this_thread::get_id()].push_back({.name = name, .calls = -calls(name)});
  }

  // Ranges of actions do not nest.
  void pop() {
    const std::scoped_lock lock(mutex_);
    Range& range = ranges_[std::this_thread::get_id()].back();
    EXPECT_TRUE(range.open) << range.name;
    range.open = false;
    range.calls += calls(range.name);
  }

  // By thread.
  std::vector<std::vector<Range>> take() {
    const std::scoped_lock lock(mutex_);
    std::vector<std::vector<Range>> taken;
    for (auto& [thread, ranges] : ranges_) {
      taken.push_back(std::move(ranges));
    }
    ranges_.clear();
    return taken;
  }

 private:
  static std::int64_t calls(const std::string& name) {
    if (!virtual_gpu::present()) {
      return 0;
    }
    const bool sends = name.find("SEND") != std::string::npos;
    const bool receives = name.find("RECV") != std::string::npos;
    return virtual_gpu::calls(sends ? "ncclSend" : receives ? "ncclRecv" : "cudaLaunchKernel");
  }

  std::mutex mutex_;
  std::map<std::thread::id, std::vector<Range>> ranges_;
};

Recorder& recorder() {
  static Recorder recorder;
  return recorder;
}

nvtxDomainHandle_t NVTX_API create_domain(const char* name) {
  static int domain = 0;
  EXPECT_STREQ(name, "lockflight");
  return reinterpret_cast<nvtxDomainHandle_t>(&domain);
}

int NVTX_API push(nvtxDomainHandle_t /*domain*/, const nvtxEventAttributes_t* attributes) {
  recorder().push(attributes->message.ascii);
  return 0;
}

int NVTX_API pop(nvtxDomainHandle_t /*domain*/) {
  recorder().pop();
  return 0;
}

int NVTX_API attach(NvtxGetExportTableFunc_t export_table) {
  const auto* callbacks =
      static_cast<const NvtxExportTableCallbacks*>(export_table(NVTX_ETID_CALLBACKS));
  NvtxFunctionTable functions = nullptr;
  unsigned size = 0;
  if (callbacks->GetModuleFunctionTable(NVTX_CB_MODULE_CORE2, &functions, &size) == 0) {
    return 0;
  }
  const auto set = [functions](int number, auto* function) {
    *functions[number] = reinterpret_cast<NvtxFunctionPointer>(function);
  };
  set(NVTX_CBID_CORE2_DomainCreateA, &create_domain);
  set(NVTX_CBID_CORE2_DomainRangePushEx, &push);
  set(NVTX_CBID_CORE2_DomainRangePop, &pop);
  return 1;
}

// Where NVTX looks for a tool that is linked in; nothing has used NVTX before this is set.
const bool kAttached = (InitializeInjectionNvtx2_fnptr = &attach, true);

class NvtxTest : public test::BackendTest {
 protected:
  // The ranges of one step, by thread, and the program that they should tell of.
  std::vector<std::vector<Range>> ranges_of_a_step(int ranks) {
    EXPECT_TRUE(kAttached);
    World world = test::make_world(
        ranks, {.device = DeviceKind::cuda, .transport = CudaTransport::automatic});
    nn::Model model = test::tiny_gpt2();
    Plan plan = make_plan(model, world, {.micro_batches = 3, .recompute = Recomputation::always});
    program_ = plan.program;
    Pipeline pipeline(world, std::move(model), plan, {.timeline = false});
    recorder().take();
    launches_ = -virtual_gpu_launches();
    pipeline.forward_backward(test::token_batch(3, 0));
    launches_ += virtual_gpu_launches();
    return recorder().take();
  }

  static std::int64_t virtual_gpu_launches() {
    return virtual_gpu::present() ? virtual_gpu::calls("cudaLaunchKernel") : 0;
  }

  plan::Program program_;
  std::int64_t launches_ = 0;
};

INSTANTIATE_TEST_SUITE_P(On, NvtxTest, testing::Values(DeviceKind::cuda), test::backend_name);

std::vector<std::string> actions_of(const plan::RankProgram& rank) {
  std::vector<std::string> actions;
  for (const plan::Instruction& instruction : rank.instructions) {
    using plan::Opcode;
    if (instruction.opcode == Opcode::compute || instruction.opcode == Opcode::send ||
        instruction.opcode == Opcode::recv) {
      actions.push_back(schedule::to_string(instruction.action));
    }
  }
  return actions;
}

TEST_P(NvtxTest, EveryRankShowsItsActionsInTheirOrder) {
  if (cuda_support().devices.size() < 2) {
    GTEST_SKIP() << "needs two GPUs";
  }
  std::vector<std::vector<std::string>> shown;
  for (const auto& ranges : ranges_of_a_step(2)) {
    shown.emplace_back();
    for (const Range& range : ranges) {
      shown.back().push_back(range.name);
      EXPECT_FALSE(range.open) << range.name;
      if (virtual_gpu::present()) {
        EXPECT_GT(range.calls, 0) << range.name;
      }
    }
  }
  ASSERT_EQ(program_.ranks.size(), 2U);
  EXPECT_THAT(shown, testing::UnorderedElementsAre(actions_of(program_.ranks[0]),
                                                   actions_of(program_.ranks[1])));
  EXPECT_THAT(actions_of(program_.ranks[0]), testing::Contains("0SEND_F2"));
  EXPECT_THAT(actions_of(program_.ranks[0]), testing::Contains("0R2"));
}

TEST_P(NvtxTest, NoKernelOfAStepIsOutsideOfTheRanges) {
  const auto ranges = ranges_of_a_step(1);
  ASSERT_EQ(ranges.size(), 1U);
  std::int64_t inside = 0;
  for (const Range& range : ranges.front()) {
    inside += range.calls;
  }
  EXPECT_EQ(inside, launches_);
}

}  // namespace
}  // namespace lockflight
