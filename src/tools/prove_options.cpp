#include "tools/prove_options.h"

#include <CLI/CLI.hpp>

#include "tools/option_groups.h"

namespace lockflight::tools {
namespace {

constexpr const char* kProveFooter =
    "Example:\n"
    "  lockflight prove schedule.csv --placement v\n"
    "Exit code 0: proved; 65: refused, with the list of what is wrong. A file with computations "
    "only\n"
    "is proved as lockflight runs it; with --one-stream, with each receive right in front of the\n"
    "action that needs it and each send right behind the action that makes it.";

}  // namespace

CLI::App* add_prove(CLI::App& app, ProveOptions& options) {
  CLI::App* prove =
      app.add_subcommand("prove", "Prove that a schedule is complete, cannot deadlock or race");
  add_common(*prove);
  prove->footer(kProveFooter);
  prove->add_option("file", options.file,
                    "What lockflight schedule --out writes, or CSV of "
                    "torch.distributed.pipelining, either dialect");
  prove
      ->add_option("--placement", options.placement,
                   "What you expect: loop, v, or a file with the rank of each stage")
      ->type_name("loop|v|FILE");
  prove->add_flag("--one-stream", options.one_stream,
                  "All transfers of a rank share one stream, as in runtimes that have only one");
  prove->add_flag("--json", options.json, "Print a JSON object");
  return prove;
}

}  // namespace lockflight::tools
