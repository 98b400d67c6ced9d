#include "tools/exit_code.h"

#include <new>
#include <ostream>
#include <string>

#include "lockflight/core/error.h"

namespace lockflight::tools {
namespace {

std::string sentence_of(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const std::bad_alloc&) {
    return "out of memory; take a smaller model, fewer micro-batch rows or a shorter context";
  } catch (const std::exception& error) {
    return error.what();
  } catch (...) {
    return "an unknown failure";
  }
}

}  // namespace

ExitCode exit_code_of(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const InvalidArgument&) {
    return ExitCode::usage;
  } catch (const PlanError&) {
    return ExitCode::data;
  } catch (const DataError&) {
    return ExitCode::data;
  } catch (const DeviceError&) {
    return ExitCode::unavailable;
  } catch (const FileError&) {
    return ExitCode::io;
  } catch (...) {
    return ExitCode::internal;
  }
}

void write_failure(std::ostream& err, const std::exception_ptr& failure) {
  std::string sentence = sentence_of(failure);
  for (char& c : sentence) {
    c = c == '\n' ? ' ' : c;
  }
  err << "lockflight: " << sentence << '\n' << std::flush;
}

}  // namespace lockflight::tools
