#include <iostream>

#include "tools/command.h"

int main(int argc, char** argv) {
  return lockflight::tools::run_command({argv + 1, argv + argc},
                                        lockflight::tools::standard_output(), std::cerr);
}
